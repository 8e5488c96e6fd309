"""From an outbox row to the record that Kafka gets."""

from __future__ import annotations

from collections.abc import Sequence

from publisher.errors import RecordRejected
from publisher.ports import Record, Row
from schemas.envelope import binary_headers, constant_headers
from schemas.errors import InvalidEnvelope


def to_records(source: str, rows: Sequence[Row]) -> tuple[list[Record], RecordRejected | None]:
    """Build the records of a page: the stored value as it is, CloudEvents attributes as headers.

    They end before a row of which no record can be made; then the error names it.

    Kafka stamps a record with the time of sending. The event's own time travels in `ce_time`:
    after a long outage it may be older than the topic's retention, and the broker would delete
    the record unread.
    """
    records: list[Record] = []
    try:
        for row in rows:
            records.append(_to_record(source, row))
    except (AttributeError, TypeError, ValueError, InvalidEnvelope) as exc:
        return records, _refused(rows[len(records)], exc)
    return records, None


def _to_record(source: str, row: Row) -> Record:
    row_id, event_id, topic, key, type_name, version, subject, value, headers, time = row
    constant = constant_headers(source, type_name, version, tombstone=value is None)
    return Record(
        row_id,
        topic,
        key,
        value,
        binary_headers(
            constant,
            id=event_id,
            time=time,
            subject=subject,
            sequence=row_id,
            extensions=headers,
        ),
    )


def _refused(row: Row, exc: Exception) -> RecordRejected:
    return RecordRejected(
        f"outbox row {row.id} for topic {row.topic!r} cannot be sent "
        f"({type(exc).__name__}: {exc}): make its column headers a JSON object of strings, or "
        f"{removal(row.id)}",
        upto=row.id,
    )


def removal(row: int) -> str:
    """How to give a row up, and what that means."""
    return (
        f"give its event up with DELETE FROM outbox_event WHERE id = {row} (readers of a state "  # noqa: S608  # for people
        "topic then keep the state before it, until the key changes again)"
    )
