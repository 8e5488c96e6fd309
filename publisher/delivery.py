"""From an outbox row to the record that Kafka gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from publisher.errors import RecordRejected
from publisher.ports import Record, Row
from schemas.envelope import Header, binary_headers, constant_headers
from schemas.errors import InvalidEnvelope

_UNSENDABLE = (AttributeError, TypeError, ValueError, InvalidEnvelope)


class CloudEvents(Sequence[Record]):
    """The records of a page: the stored value as it is, CloudEvents attributes as headers.

    Each is built when it is taken, so that what the client has copied is gone at once. A row of
    which no record can be made raises `RecordRejected`, which names it.

    Kafka stamps a record with the time of sending. The event's own time travels in `ce_time`:
    after a long outage it may be older than the topic's retention, and the broker would delete
    the record unread.
    """

    def __init__(self, source: str, rows: Sequence[Row]) -> None:
        self._source = source
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> CloudEvents: ...
    def __getitem__(self, index: int | slice) -> Record | CloudEvents:
        if isinstance(index, slice):
            return CloudEvents(self._source, self._rows[index])
        return next(iter(CloudEvents(self._source, [self._rows[index]])))

    def __iter__(self) -> Iterator[Record]:
        source, constants = self._source, dict[tuple[str, int, bool], tuple[Header, ...]]()
        for row in self._rows:
            row_id, event_id, topic, key, type_name, version, subject, value, headers, time = row
            try:
                kind = type_name, version, value is None
                constant = constants.get(kind)
                if constant is None:
                    constant = constants[kind] = constant_headers(source, *kind)
                built = binary_headers(constant, event_id, time, subject, row_id, headers)
            except _UNSENDABLE as exc:
                raise _refused(row, exc) from exc
            yield Record(row_id, topic, key, value, built)


def _refused(row: Row, exc: Exception) -> RecordRejected:
    return RecordRejected(
        f"outbox row {row.id} for topic {row.topic!r} cannot be sent "
        f"({type(exc).__name__}: {exc}): make its column headers a JSON object of strings, or "
        f"{removal(row.id)}",
        first=row.id,
        upto=row.id,
    )


def removal(row: int) -> str:
    """How to give a row up, and what that means."""
    return (
        f"give its event up with `outbox-publisher parked skip` or DELETE FROM outbox_event WHERE "  # noqa: S608  # for people
        f"id = {row} (readers of a state topic then keep the state before it, until the key "
        "changes again)"
    )
