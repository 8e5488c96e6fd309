"""An event as it will stand in the table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from outbox.conf import current
from outbox.errors import EventTooLarge
from outbox.uuid7 import uuid7_bytes
from schemas import Contract, Envelope, Event


class Recorded(NamedTuple):
    """One outbox row before it is written; the order of the fields is that of COLUMNS."""

    raw_id: bytes
    topic: str
    key: bytes
    type: str
    version: int
    subject: str | None
    value: bytes | None
    headers: bytes | None

    @property
    def event_id(self) -> UUID:
        return UUID(bytes=self.raw_id)

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key) + len(self.value or b"")

    @property
    def is_tombstone(self) -> bool:
        """A null value: it tells a compacted topic to forget the key."""
        return self.value is None

    @property
    def extensions(self) -> dict[str, str]:
        """What the context and the trace added."""
        found: dict[str, str] = json.loads(self.headers or b"{}")
        return found

    @property
    def event(self) -> Event | None:
        """What a consumer would decode, and as it would fail; None for a tombstone."""
        return None if self.is_tombstone else self._envelope().event()

    def _envelope(self) -> Envelope:
        return Envelope(
            id=str(self.event_id),
            source=current().source,
            type=self.type,
            version=self.version,
            time=datetime.now(UTC),
            subject=self.subject,
            sequence=None,
            key=self.key,
            value=self.value,
            extensions=self.extensions,
        )


COLUMNS = ("event_id", *Recorded._fields[1:])


def recorded(
    contract: Contract, value: bytes, *, topic: str, key: str, headers: bytes | None
) -> Recorded:
    """An encoded event; EventTooLarge says why it could never be sent."""
    row = Recorded(
        uuid7_bytes(), topic, key.encode(), contract.type, contract.version, key, value, headers
    )
    limit = current().max_event_bytes
    if len(value) + len(row.key) > limit:
        raise EventTooLarge(
            f"event {row.type} with key {key[:200]!r} has {row.size} bytes, "
            f"more than OUTBOX_MAX_EVENT_BYTES={limit}; send a reference instead of the data, or "
            "raise it together with the broker's message.max.bytes"
        )
    return row


def tombstone(of: Recorded) -> Recorded:
    """The row that follows a delete."""
    return of._replace(raw_id=uuid7_bytes(), value=None)
