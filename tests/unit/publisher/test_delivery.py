from kafka.partitioner.default import murmur2

from publisher.delivery import to_records
from publisher.ports import Row

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


def test_a_record_is_the_stored_value_with_nine_headers() -> None:
    (record,) = to_records("/shop", [ROW])
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
    (record,) = to_records("/shop", [ROW])
    assert dict(record.headers)["ce_time"] == ROW.time
    assert ROW.time not in (record.key, record.value)


def test_a_tombstone_has_no_value_and_no_content_type() -> None:
    (record,) = to_records("/shop", [ROW._replace(value=None)])
    assert record.value is None
    assert "content-type" not in dict(record.headers)


def test_context_travels_as_headers() -> None:
    (record,) = to_records("/shop", [ROW._replace(headers=b'{"traceparent":"00-ab-cd-01"}')])
    assert dict(record.headers)["traceparent"] == b"00-ab-cd-01"


def test_keys_are_hashed_as_the_java_client_does() -> None:
    """The vectors are those of Apache Kafka's own `UtilsTest.testMurmur2`."""
    vectors = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    for key, java in vectors.items():
        assert murmur2(key) & 0xFFFFFFFF == java & 0xFFFFFFFF
