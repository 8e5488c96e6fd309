"""An event as it will stand in the table."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from outbox.conf import current
from outbox.errors import EventTooLarge
from outbox.uuid7 import uuid7
from schemas import Event, encode, lookup


class Recorded(NamedTuple):
    """One outbox row before it is written; the order of the fields is that of COLUMNS."""

    event_id: UUID
    topic: str
    key: bytes
    type: str
    version: int
    subject: str | None
    value: bytes | None
    headers: bytes | None

    @property
    def is_tombstone(self) -> bool:
        """A null value: it tells a compacted topic to forget the key."""
        return self.value is None

    @property
    def event(self) -> Event | None:
        """What a consumer would decode; None for a tombstone."""
        if self.value is None:
            return None
        return lookup(self.type, self.version).model_validate_json(self.value)


COLUMNS = Recorded._fields


def recorded(event: Event, *, topic: str, key: str) -> Recorded:
    """Encode an event; EventTooLarge or a SchemaError says why it could never be sent."""
    contract = type(event).__contract__
    value, raw_key = encode(event), key.encode()
    limit = current().max_event_bytes
    if len(value) + len(raw_key) > limit:
        raise EventTooLarge(
            f"event {contract.type} with key {key[:200]!r} has {len(value) + len(raw_key)} bytes, "
            f"more than OUTBOX_MAX_EVENT_BYTES={limit}; send a reference instead of the data, or "
            "raise it together with the broker's message.max.bytes"
        )
    return Recorded(
        uuid7(), topic, raw_key, contract.type, contract.version, key, value, headers=None
    )


def tombstone(of: Recorded) -> Recorded:
    """The row that follows a delete."""
    return of._replace(event_id=uuid7(), value=None)
