"""What is set aside, in the words that operators read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FirstEvent:
    """The event that stands first: what is known of it without its payload. `size` in bytes."""

    event_id: str
    type: str
    version: int
    subject: str | None
    size: int | None
    recorded: datetime


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row of `outbox_parked`; `first` is None where somebody removed the event."""

    number: int
    topic: str
    key: bytes | None
    row: int
    reason: str
    since: datetime
    retries: int
    first: FirstEvent | None

    @property
    def what(self) -> str:
        return "the whole topic" if self.key is None else f"key {_readable(self.key)}"

    def __str__(self) -> str:
        return (
            f"{self.number}: topic {self.topic!r}, {self.what}, from outbox row {self.row}, since "
            f"{self.since.isoformat(timespec='seconds')}: {self.reason}"
        )

    def details(self) -> str:
        """Everything but the payload, which may be nobody's business."""
        lines = [
            ("number", self.number),
            ("topic", self.topic),
            ("what", self.what),
            ("since", self.since.isoformat(timespec="seconds")),
            ("retries", self.retries),
            ("reason", self.reason),
            ("first row", self.row),
            *(self._event(self.first) if self.first else [("event", "removed from the outbox")]),
        ]
        return "\n".join(f"{name + ':':<11} {value}" for name, value in lines)

    def _event(self, first: FirstEvent) -> list[tuple[str, object]]:
        size = "a tombstone" if first.size is None else f"{first.size} bytes"
        return [
            ("event", first.event_id),
            ("type", f"{first.type}, version {first.version}"),
            ("subject", first.subject),
            ("value", size),
            ("recorded", first.recorded.isoformat(timespec="seconds")),
        ]


def _readable(key: bytes) -> str:
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return f"0x{key.hex()}"
    return repr(text) if text.isprintable() else f"0x{key.hex()}"
