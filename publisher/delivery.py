"""From an outbox row to the record that Kafka gets."""

from __future__ import annotations

from collections.abc import Sequence

from publisher.ports import Record, Row
from schemas.envelope import binary_headers, constant_headers


def to_records(source: str, rows: Sequence[Row]) -> list[Record]:
    """Build the records of a page: the stored value as it is, CloudEvents attributes as headers.

    Kafka stamps a record with the time of sending. The event's own time travels in `ce_time`:
    after a long outage it may be older than the topic's retention, and the broker would delete
    the record unread.
    """
    return [_to_record(source, row) for row in rows]


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
