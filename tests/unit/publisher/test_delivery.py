import pytest

from publisher.delivery import CloudEvents
from publisher.errors import RecordRejected
from publisher.ports import Record, Row

ROW = Row(
    id=42,
    event_id=b"0198a1f0-0000-7000-8000-000000000001",
    topic="shop.orders",
    key=b"7",
    type="orders.order",
    version=2,
    subject=b"7",
    value=b'{"op":"create"}',
    headers=None,
    time=b"2026-01-01T00:00:00.000000Z",
)


def only(source: str, rows: list[Row]) -> Record:
    (record,) = CloudEvents(source, rows)
    return record


def test_a_record_is_the_stored_value_with_nine_headers() -> None:
    record = only("/shop", [ROW])
    assert (record.id, record.topic, record.key, record.value) == (
        42,
        "shop.orders",
        b"7",
        b'{"op":"create"}',
    )
    assert len(record.headers) == 9
    headers = dict(record.headers)
    assert headers["ce_id"] == ROW.event_id
    assert headers["ce_sequence"] == b"00000000000000000042"


def test_the_time_of_the_event_travels_as_a_header_only() -> None:
    record = only("/shop", [ROW])
    assert dict(record.headers)["ce_time"] == ROW.time
    assert ROW.time not in (record.key, record.value)


def test_a_tombstone_has_no_value_and_no_content_type() -> None:
    record = only("/shop", [ROW._replace(value=None)])
    assert record.value is None
    assert "content-type" not in dict(record.headers)


def test_context_travels_as_headers() -> None:
    record = only("/shop", [ROW._replace(headers=b'{"traceparent":"00-ab-cd-01"}')])
    assert dict(record.headers)["traceparent"] == b"00-ab-cd-01"


@pytest.mark.parametrize(
    "headers", [b'{"actor": 7}', b'{"user_id": "7"}', b"[1]", b"nonsense", b"\xff"]
)
def test_a_row_whose_headers_cannot_be_sent_is_named_where_it_is_taken(headers: bytes) -> None:
    bad = ROW._replace(id=43, headers=headers)
    records = iter(CloudEvents("/shop", [ROW, bad, ROW._replace(id=44)]))
    assert next(records).id == 42
    with pytest.raises(RecordRejected) as refused:
        next(records)
    assert refused.value.upto == 43
    assert "outbox row 43 for topic 'shop.orders'" in str(refused.value)
    assert "DELETE FROM outbox_event WHERE id = 43" in str(refused.value)


def test_a_part_of_a_page_is_built_alone() -> None:
    records = CloudEvents("/shop", [ROW, ROW._replace(id=43, headers=b"no"), ROW._replace(id=44)])
    assert len(records) == 3
    assert records[2].id == records[-1].id == 44
    assert [record.id for record in records[:1]] == [42]
