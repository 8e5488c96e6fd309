from __future__ import annotations

import json
import re
import traceback
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Envelope, Event, SchemaError, encode
from schemas.envelope import binary_headers, constant_headers
from schemas.errors import InvalidEnvelope, Undecodable, UnknownContract


class Placed(Event, type="test.envelope.placed", version=2, key="order_id"):
    order_id: int


# The bytes that travel: consumers in other languages depend on every one of them.
GOLDEN = [
    ("ce_id", b"019aa2e0-0000-7000-8000-000000000000"),
    ("ce_time", b"2026-01-31T12:00:00.000005Z"),
    ("ce_specversion", b"1.0"),
    ("ce_source", b"/shop"),
    ("ce_type", b"test.envelope.placed"),
    ("ce_dataschema", b"urn:contract:test.envelope.placed:2"),
    ("content-type", b"application/json"),
    ("ce_sequence", b"00000000000000000042"),
    ("ce_subject", b"7"),
]
GOLDEN_EXTENDED = [
    *GOLDEN,
    ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", b"a=b"),
    ("ce_actor", "Zoë".encode()),
]
GOLDEN_TOMBSTONE = [
    header for header in GOLDEN if header[0] not in ("ce_dataschema", "content-type")
]
ENVELOPE = Envelope(
    id="019aa2e0-0000-7000-8000-000000000000",
    source="/shop",
    type="test.envelope.placed",
    version=2,
    time=datetime(2026, 1, 31, 12, microsecond=5, tzinfo=UTC),
    subject="7",
    sequence=42,
    key=b"7",
    value=b'{"order_id":7}',
)
REQUIRED = ["ce_id", "ce_source", "ce_type", "ce_specversion", "ce_time"]


def written(
    *, subject: bytes | None = b"7", extensions: dict[str, str] | None = None, **constant: Any
) -> list[tuple[str, bytes]]:
    return binary_headers(
        constant_headers("/shop", "test.envelope.placed", 2, **constant),
        id=b"019aa2e0-0000-7000-8000-000000000000",
        time=b"2026-01-31T12:00:00.000005Z",
        subject=subject,
        sequence=42,
        extensions=None if extensions is None else json.dumps(extensions).encode(),
    )


def changed(name: str, value: bytes) -> list[tuple[str, bytes]]:
    return [*((key, old) for key, old in GOLDEN if key != name), (name, value)]


def read(headers: Any, value: bytes | None = b'{"order_id":7}') -> Envelope:
    return Envelope.from_kafka(headers, b"7", value)


def test_an_event_has_exactly_nine_headers() -> None:
    assert written() == GOLDEN


def test_a_tombstone_describes_no_content() -> None:
    assert written(tombstone=True) == GOLDEN_TOMBSTONE


def test_an_event_without_a_subject_has_no_header_for_it() -> None:
    assert written(subject=None) == GOLDEN[:-1]


def test_extensions_become_attributes_and_trace_context_travels_bare() -> None:
    extensions = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "a=b",
        "actor": "Zoë",
    }

    assert written(extensions=extensions) == GOLDEN_EXTENDED
    assert read(GOLDEN_EXTENDED).extensions == extensions


@pytest.mark.parametrize("name", ["", "correlation_id", "Actor", "user-agent", "größe", "a\n"])
def test_an_extension_has_a_name_of_cloudevents(name: str) -> None:
    with pytest.raises(
        InvalidEnvelope, match=re.escape(f"extension {name!r} is not a name of CloudEvents; use up")
    ):
        written(extensions={name: "a"})
    with pytest.raises(InvalidEnvelope, match="extension"):
        replace(ENVELOPE, extensions={name: "a"}).to_kafka()


@pytest.mark.parametrize("name", ["id", "sequence", "dataschema", "datacontenttype"])
def test_an_extension_is_no_attribute_that_every_event_has(name: str) -> None:
    with pytest.raises(InvalidEnvelope, match=f"extension '{name}' is an attribute of every event"):
        written(extensions={name: "a"})


def test_a_sequence_of_any_size_sorts_as_text() -> None:
    texts = [
        dict(written() if number == 42 else _with_sequence(number))["ce_sequence"]
        for number in (1, 42, 2**63 - 1)
    ]

    assert texts == sorted(texts)
    assert {len(text) for text in texts} == {20}


def _with_sequence(number: int) -> list[tuple[str, bytes]]:
    return binary_headers((), id=b"", time=b"", subject=None, sequence=number, extensions=None)


def test_a_record_is_read_from_pairs_or_a_mapping_in_any_order() -> None:
    assert read(GOLDEN) == ENVELOPE
    assert read(tuple(reversed(GOLDEN))) == ENVELOPE
    assert read(dict(GOLDEN)) == ENVELOPE


def test_headers_that_others_added_are_passed_over() -> None:
    assert read([("x-proxy", b"\xff"), ("empty", None), *GOLDEN]) == ENVELOPE


def test_headers_of_no_value_count_as_missing() -> None:
    assert read([*GOLDEN[:-1], ("ce_subject", None)]).subject is None


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(InvalidEnvelope, match=f"header {name} is missing, found ce_"):
        read([header for header in GOLDEN if header[0] != name])
    with pytest.raises(InvalidEnvelope, match=f"header {name} is missing"):
        read(changed(name, b""))


@pytest.mark.parametrize("headers", [None, [], {}, [("kafka_messageId", b"1")]])
def test_a_record_that_is_no_cloud_event_is_refused(headers: Any) -> None:
    with pytest.raises(
        InvalidEnvelope, match="found none of its kind; is the record a CloudEvent in Kafka's bin"
    ):
        read(headers)


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("ce_specversion", b"2.0", "this release reads 1.0"),
        ("ce_time", b"yesterday", "write RFC 3339 with a time zone"),
        ("ce_time", b"2026-01-31T12:00:00", "write RFC 3339 with a time zone"),
        ("ce_time", b"0001-01-01T00:00:00+01:00", "write RFC 3339 with a time zone"),
        ("ce_sequence", b"12a", "write it in up to 20 digits"),
        ("ce_sequence", b"-1", "write it in up to 20 digits"),
        ("ce_id", b"\xff", "CloudEvents headers are UTF-8"),
    ],
)
def test_a_header_that_cannot_be_read_is_named_with_its_value(
    name: str, value: bytes, cure: str
) -> None:
    with pytest.raises(InvalidEnvelope, match=f"^header {name} is b?'.*'; {cure}"):
        read(changed(name, value))


@pytest.mark.parametrize(
    "time", [b"2026-01-31T13:00:00.000005+01:00", b"2026-01-31T12:00:00.000005999Z"]
)
def test_the_time_is_read_in_utc_and_in_microseconds(time: bytes) -> None:
    assert read(changed("ce_time", time)) == ENVELOPE
    assert read(changed("ce_time", time)).time.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "schema", [b"https://schemas.example/order.json", b"urn:contract:other.type:2", b"urn:x:1"]
)
def test_a_schema_that_is_not_ours_names_no_version(schema: bytes) -> None:
    envelope = read(changed("ce_dataschema", schema))

    assert envelope.version is None
    with pytest.raises(InvalidEnvelope, match="names no contract in ce_dataschema; read it with j"):
        envelope.event()
    assert envelope.json() == {"order_id": 7}


def test_an_event_is_decoded_by_the_contract_that_its_headers_name() -> None:
    event = Placed(order_id=7)
    envelope = read(GOLDEN, encode(event))

    assert envelope.event() == event
    assert envelope.json() == {"order_id": 7}


def test_an_unknown_contract_is_named() -> None:
    headers = changed("ce_dataschema", b"urn:contract:test.envelope.placed:3")

    with pytest.raises(UnknownContract, match="version 3; registered are the versions 2"):
        read(headers).event()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"{}", "order_id: Field required"),
        (b'{"order_id":"x"}', "order_id: Input should be a valid integer"),
        (b"not json", "the value: Invalid JSON"),
        (b"", "the value: Invalid JSON"),
    ],
)
def test_a_value_that_does_not_fit_its_contract_is_refused(value: bytes, why: str) -> None:
    with pytest.raises(Undecodable, match=f"from /shop does not fit Placed .version 2.: {why}"):
        read(GOLDEN, value).event()


def test_a_value_that_is_not_json_is_refused() -> None:
    for value in (b"not json", b"\xff", b"", b"[" * 100_000):
        with pytest.raises(Undecodable, match="from /shop is not JSON") as caught:
            read(GOLDEN, value).json()
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("value", [b'{"card":"4111"}', b'{"card":"4111"'])
def test_a_traceback_shows_nothing_of_the_payload(value: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        read(GOLDEN, value).event()

    assert "4111" not in "".join(traceback.format_exception(caught.value))


def test_a_tombstone_has_no_event() -> None:
    tombstone = read(GOLDEN_TOMBSTONE, None)

    assert tombstone.is_tombstone
    assert not ENVELOPE.is_tombstone
    for reading in (tombstone.event, tombstone.json):
        with pytest.raises(InvalidEnvelope, match="is a tombstone; test is_tombstone before"):
            reading()


texts = st.text(min_size=1)
times = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
names = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
    lambda name: f"ce_{name}" not in {"ce_datacontenttype", *(header for header, _ in GOLDEN)}
)


@given(
    envelope=st.builds(
        Envelope,
        id=texts,
        source=texts,
        type=st.just("shop.order"),
        version=st.none() | st.integers(1, 2**31 - 1),
        time=times,
        subject=st.none() | st.text(),
        sequence=st.none() | st.integers(0, 2**63 - 1),
        key=st.none() | st.binary(),
        value=st.binary(),
        extensions=st.dictionaries(names | st.just("traceparent"), st.text(), max_size=3),
    )
)
def test_what_is_written_is_read_back(envelope: Envelope) -> None:
    assert Envelope.from_kafka(envelope.to_kafka(), envelope.key, envelope.value) == envelope


def test_a_tombstone_is_read_back() -> None:
    tombstone = read(GOLDEN_TOMBSTONE, None)

    assert read(tombstone.to_kafka(), None) == tombstone


@given(
    headers=st.lists(
        st.tuples(st.sampled_from([*REQUIRED, "ce_sequence", "ce_dataschema"]), st.binary())
    )
)
def test_whatever_arrives_is_an_envelope_or_a_named_error(
    headers: list[tuple[str, bytes]],
) -> None:
    with suppress(SchemaError):
        read([*GOLDEN, *headers])
