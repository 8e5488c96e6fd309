from __future__ import annotations

import re
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializeAsAny,
    WrapSerializer,
    computed_field,
    create_model,
    field_serializer,
    model_serializer,
)

from schemas import Event, encode
from schemas.errors import Unencodable

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
PARIS = NOON.astimezone(timezone(timedelta(hours=1)))
NAIVE = NOON.replace(tzinfo=None)


class LeavingSummer(tzinfo):
    """The night in which a clock of central Europe shows an hour twice."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1 if moment is not None and moment.fold else 2)

    def dst(self, moment: datetime | None) -> timedelta:
        return self.utcoffset(moment) - timedelta(hours=1)

    def tzname(self, moment: datetime | None) -> str:
        return "Leaving summer"


class Shade(Enum):
    DARK = "dark"


class Foreign(BaseModel):
    """A model with choices of its own, which do not hold on the wire."""

    model_config = ConfigDict(ser_json_timedelta="float", ser_json_inf_nan="null")

    at: datetime = PARIS
    length: timedelta = timedelta(seconds=1)
    tags: set[str] = {"b", "a"}
    weight: float = 1.0


class Dated(BaseModel):
    at: datetime | str


class Reader(BaseModel):
    raw: bytes


@dataclass
class Point:
    at: datetime


class Span(NamedTuple):
    start: datetime
    raw: bytes


def holding(annotation: Any, value: Any) -> Event:
    """An event whose only field has this type and value; the value is not validated."""
    cls = create_model("Holding", __base__=Event, field=(annotation, ...))
    unvalidated: dict[str, Any] = {"field": value}
    return cls.model_construct(None, **unvalidated)


def written(annotation: Any, value: Any) -> str:
    text = encode(holding(annotation, value)).decode()
    return text.removeprefix('{"field":').removesuffix("}")


def refusal(annotation: Any, value: Any) -> str:
    with pytest.raises(Unencodable) as caught:
        encode(holding(annotation, value))
    return str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (str, 'Zoë "\n\x00\u2028', '"Zoë \\"\\n\\u0000\u2028"'),
        (bool, True, "true"),
        (int, 2**63 - 1, "9223372036854775807"),
        (int, 10**30, "1000000000000000000000000000000"),
        (float, 0.1, "0.1"),
        (float, 1e300, "1e+300"),
        (Decimal, Decimal("1.20"), '"1.20"'),
        (Decimal, Decimal("1E+3"), '"1E+3"'),
        (UUID, UUID(int=10), '"00000000-0000-0000-0000-00000000000a"'),
        (datetime, NOON, '"2026-01-31T12:00:00Z"'),
        (datetime, PARIS, '"2026-01-31T12:00:00Z"'),
        (datetime, NOON.replace(microsecond=5), '"2026-01-31T12:00:00.000005Z"'),
        (AwareDatetime, PARIS, '"2026-01-31T12:00:00Z"'),
        (date, date(2026, 1, 31), '"2026-01-31"'),
        (time, time(12, 0, 1), '"12:00:01"'),
        (timedelta, timedelta(0), '"P0DT0H0M0S"'),
        (timedelta, timedelta(days=400, seconds=3661), '"P400DT1H1M1S"'),
        (timedelta, timedelta(microseconds=-1500000), '"-P0DT0H0M1.500000S"'),
        (bytes, b"\xfb\xff\xfe", '"+//+"'),
        (bytes, b"", '""'),
        (Shade, Shade.DARK, '"dark"'),
        (set[str], {"b", "a", "c"}, '["a","b","c"]'),
        (set[str], {"\U0001f600", "z", "ä", "\uff41", "a"}, '["a","z","ä","\uff41","\U0001f600"]'),
        (set[float], {1e-7, 1e-10}, "[1e-10,1e-7]"),
        (frozenset[int], frozenset({10, 9}), "[10,9]"),
        (dict[str, int], {"b": 1, "a": 2}, '{"b":1,"a":2}'),
        (dict[datetime, int], {PARIS: 1}, '{"2026-01-31T12:00:00Z":1}'),
        (dict[bytes, int], {b"\xff": 1}, '{"/w==":1}'),
        (list[datetime | None], [PARIS, None], '["2026-01-31T12:00:00Z",null]'),
        (datetime | str, PARIS, '"2026-01-31T12:00:00Z"'),
        (str | datetime, PARIS, '"2026-01-31T12:00:00Z"'),
        (datetime | date, date(2026, 1, 31), '"2026-01-31"'),
        (date | datetime, PARIS, '"2026-01-31T12:00:00Z"'),
        (Point, Point(PARIS), '{"at":"2026-01-31T12:00:00Z"}'),
        (Span, Span(PARIS, b"\xff"), '["2026-01-31T12:00:00Z","/w=="]'),
        (deque[int], deque([1, 2]), "[1,2]"),
        (complex, 1 + 2j, '"1+2j"'),
        (Fraction, Fraction(1, 3), '"1/3"'),
        (Path, Path("/a/b"), '"/a/b"'),
        (AnyUrl, AnyUrl("https://example.org"), '"https://example.org/"'),
        (IPv4Network, IPv4Network("10.0.0.0/8"), '"10.0.0.0/8"'),
        (re.Pattern, re.compile("a+"), '"a+"'),
        (ZoneInfo, ZoneInfo("Europe/Paris"), '"Europe/Paris"'),
    ],
)
def test_each_type_has_one_form(annotation: Any, value: Any, text: str) -> None:
    assert written(annotation, value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (PARIS, '"2026-01-31T12:00:00Z"'),
        ({"at": [PARIS]}, '{"at":["2026-01-31T12:00:00Z"]}'),
        ({PARIS: 1, 2: 3, Shade.DARK: 4}, '{"2026-01-31T12:00:00Z":1,"2":3,"dark":4}'),
        ({3, 1, 2}, "[1,2,3]"),
        ({"ä", "z"}, '["z","ä"]'),
        ({NOON, PARIS.replace(hour=1)}, '["2026-01-31T00:00:00Z","2026-01-31T12:00:00Z"]'),
        ({UUID(int=10), UUID(int=9)}, f'["{UUID(int=9)}","{UUID(int=10)}"]'),
        ((1, "a", None, 1.5), '[1,"a",null,1.5]'),
        (Decimal("1.20"), '"1.20"'),
        (timedelta(days=400), '"P400DT0H0M0S"'),
        (b"\xfb\xff", '"+/8="'),
        (Shade.DARK, '"dark"'),
        (UUID(int=10), '"00000000-0000-0000-0000-00000000000a"'),
        (date(2026, 1, 31), '"2026-01-31"'),
        (Point(PARIS), '{"at":"2026-01-31T12:00:00Z"}'),
        (Span(PARIS, b"\xff"), '["2026-01-31T12:00:00Z","/w=="]'),
        (1 + 2j, '"1+2j"'),
        (Fraction(1, 3), '"1/3"'),
        (Path("/a/b"), '"/a/b"'),
        (AnyUrl("https://example.org"), '"https://example.org/"'),
        (IPv4Network("10.0.0.0/8"), '"10.0.0.0/8"'),
        (re.compile("a+"), '"a+"'),
        ("NaN", '"NaN"'),
        (
            "NaN and Infinity are words, \ufffd a sign",
            '"NaN and Infinity are words, \ufffd a sign"',
        ),
        ({"NaN": "Infinity", "\ufffd": "-Infinity"}, '{"NaN":"Infinity","\ufffd":"-Infinity"}'),
    ],
)
def test_an_untyped_value_has_the_form_of_its_type(value: Any, text: str) -> None:
    assert written(Any, value) == text
    assert written(dict[str, Any], {"a": value}) == f'{{"a":{text}}}'


def test_a_nested_model_is_written_as_the_event_is_whatever_its_configuration_says() -> None:
    expected = '{"at":"2026-01-31T12:00:00Z","length":"P0DT0H0M1S","tags":["a","b"],"weight":1.0}'

    assert written(Foreign, Foreign()) == expected
    assert written(Any, Foreign()) == expected
    assert written(SerializeAsAny[BaseModel], Foreign()) == expected
    assert written(list[Foreign | int], [Foreign(), 1]) == f"[{expected},1]"


def test_fields_that_a_model_allows_beside_its_own_are_canonical_too() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    assert written(Open, Open(at=PARIS)) == '{"at":"2026-01-31T12:00:00Z"}'  # type: ignore[call-arg]


class Serialized(Event):
    plain: Annotated[int, PlainSerializer(lambda _: PARIS)] = 1
    wrapped: Annotated[datetime, WrapSerializer(lambda value, inner: [inner(value)])] = PARIS
    by_method: int = 1
    in_json: Annotated[datetime, PlainSerializer(lambda _: PARIS, when_used="json")] = PARIS

    @field_serializer("by_method")
    def write(self, value: int) -> datetime:
        return PARIS

    @computed_field  # type: ignore[prop-decorator]
    @property
    def computed(self) -> datetime:
        return PARIS


def test_what_a_serializer_of_the_class_returns_is_made_canonical() -> None:
    at = "2026-01-31T12:00:00Z"
    assert encode(Serialized()).decode() == (
        f'{{"plain":"{at}","wrapped":["{at}"],"by_method":"{at}","in_json":"{at}",'
        f'"computed":"{at}"}}'
    )


def test_a_model_may_write_itself() -> None:
    class Whole(BaseModel):
        at: datetime

        @model_serializer
        def write(self) -> dict[str, Any]:
            return {"only": self.at}

    class Wrapped(BaseModel):
        at: datetime

        @model_serializer(mode="wrap")
        def write(self, inner: Any) -> dict[str, Any]:
            return {**inner(self), "more": self.at}

    at = "2026-01-31T12:00:00Z"
    assert written(Whole, Whole(at=PARIS)) == f'{{"only":"{at}"}}'
    assert written(Wrapped, Wrapped(at=PARIS)) == f'{{"at":"{at}","more":"{at}"}}'


def test_an_alias_is_the_name_on_the_wire() -> None:
    class Aliased(Event):
        order_id: int = Field(alias="orderId")

    event = Aliased(orderId=1)
    assert encode(event) == b'{"orderId":1}'
    assert Aliased.model_validate_json(encode(event)) == event


def test_the_two_moments_of_a_repeated_hour_stay_apart() -> None:
    repeated = datetime(2026, 10, 25, 2, 30, tzinfo=LeavingSummer())

    assert written(datetime, repeated) == '"2026-10-25T00:30:00Z"'
    assert written(datetime, repeated.replace(fold=1)) == '"2026-10-25T01:30:00Z"'


def test_the_same_event_gives_the_same_bytes_in_every_process() -> None:
    program = """
from schemas import Event, encode
class Tagged(Event):
    tags: set[str]
    more: object
tags = {str(number) for number in range(50)}
print(encode(Tagged(tags=tags, more=[tags, frozenset(tags)])))
"""
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(texts) == 1


def test_an_error_names_the_contract_the_field_the_value_and_the_cure() -> None:
    class Shipped(Event, type="test.shipped", version=3):
        parcels: list[Foreign]

    event = Shipped(parcels=[Foreign(), Foreign(at=NAIVE)])
    with pytest.raises(Unencodable) as caught:
        encode(event)

    assert str(caught.value).partition("<locals>.")[2] == (
        "Shipped (test.shipped version 3) cannot be encoded: parcels[1].at is "
        "datetime.datetime(2026, 1, 31, 12, 0): it has no time zone; give it one, such as "
        "datetime.now(UTC) or Django's make_aware()"
    )


def never() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("annotation", "value", "where", "why"),
    [
        (datetime, NAIVE, "field is", "no time zone"),
        (datetime | None, NAIVE, "field is", "no time zone"),
        (datetime | str, NAIVE, "field is", "no time zone"),
        (str | int | datetime, NAIVE, "field is", "no time zone"),
        (date | datetime, NAIVE, "field is", "no time zone"),
        (list[datetime | date], [NOON, NAIVE], "field[1] is", "no time zone"),
        (dict[str, datetime], {"a b": NAIVE}, "field['a b'] is", "no time zone"),
        (dict[datetime, int], {NAIVE: 1}, "field, a key, is", "no time zone"),
        (Foreign, Foreign(at=NAIVE), "field.at is", "no time zone"),
        (Foreign | int, Foreign(at=NAIVE), "field.at is", "no time zone"),
        (Point, Point(NAIVE), "field.at is", "no time zone"),
        (Span, Span(NAIVE, b""), "field[0] is", "no time zone"),
        (Any, {"a": [NAIVE]}, "field['a'][0] is", "no time zone"),
        (Any, {NAIVE: 1}, "field, a key, is", "no time zone"),
        (Any, [Reader(raw=b"")], "field[0] is Reader", "Reader.raw is bytes, written as base64"),
        (Any, [Dated(at=NAIVE)], "field[0].at is", "no time zone"),
        (
            datetime,
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            "field is",
            "its year is not within 1 and 9999",
        ),
        (float, float("nan"), "field is nan", "no such number; send None"),
        (float | None, float("inf"), "field is inf", "no such number"),
        (float | str, float("-inf"), "field is -inf", "no such number"),
        (Foreign, Foreign(weight=float("nan")), "field.weight is nan", "no such number"),
        (dict[float, int], {float("inf"): 1}, "field, a key, is inf", "no such number"),
        (Decimal, Decimal("NaN"), "field is Decimal('NaN')", "no such number"),
        (Decimal, Decimal("sNaN"), "field is Decimal('sNaN')", "no such number"),
        (Decimal, Decimal("-Infinity"), "field is Decimal('-Infinity')", "no such number"),
        (dict[Decimal, int], {Decimal("NaN"): 1}, "field, a key, is Decimal", "no such number"),
        (complex, complex("nan"), "field is (nan+0j)", "no such number"),
        (Any, [1, float("nan")], "field[1] is nan", "no such number"),
        (Any, {"a": Decimal("Infinity")}, "field['a'] is Decimal", "no such number"),
        (str, "a\ud800", "field is 'a\\ud800'", "a lone surrogate"),
        (dict[str, int], {"\udfff": 1}, "field, a key, is '\\udfff'", "a lone surrogate"),
        (Any, [{"\ud800": 1}], "field[0], a key, is '\\ud800'", "a lone surrogate"),
        (Any, ["\ud800"], "field[0] is '\\ud800'", "a lone surrogate"),
        (Any, ZoneInfo("UTC"), "field is zoneinfo.ZoneInfo", "send a string, a number or a model"),
        (Any, object(), "field is <object object", "send a string, a number or a model"),
        (Any, {"a": never()}, "field['a'] is <generator", "use a list"),
        (Any, {1: "a", "1": "b"}, "field is {1: 'a', '1': 'b'}", "two of its keys are the same"),
        (dict[int | str, int], {1: 1, "1": 2}, "field is {1: 1, '1': 2}", "two of its keys"),
        (Any, {None: 1}, "field is {None: 1}", "its key None has no text; use a string"),
        (Any, {(1, 2): 1}, "field is {(1, 2): 1}", "its key (1, 2) has no text"),
        (Decimal, 1, "field is 1", "it is not decimal; build the event through its class"),
        (int, "1", "field is '1'", "it is not int; build the event through its class"),
        (datetime, "2026", "field is '2026'", "it is not a datetime; build the event through"),
        (bytes, "text", "field is 'text'", "it is not bytes; build the event through its class"),
        (timedelta, 1, "field is 1", "it is not a timedelta; build the event through its class"),
        (date, PARIS, "field is datetime", "it is not date; build the event through its class"),
        (dict[Any, int], [1], "field is [1]", "it is not a mapping; build the event through"),
    ],
)
def test_a_value_without_a_canonical_form_is_refused(
    annotation: Any, value: Any, where: str, why: str
) -> None:
    message = refusal(annotation, value)

    assert f"Holding cannot be encoded: {where}" in message
    assert why in message


@pytest.mark.parametrize(
    ("annotation", "value", "where"),
    [
        (int, 10**4300, "field"),
        (Any, [{"a": -(10**4300)}], "field[0]['a']"),
        (Any, {10**4300: 1}, "field, a key,"),
        (dict[int, int], {10**4300: 1}, "field, a key,"),
        (dict[str, Any], {"a" * 5000: 10**4300}, "field['aaa"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_number_that_no_reader_takes_is_refused(annotation: Any, value: Any, where: str) -> None:
    message = refusal(annotation, value)

    assert f"cannot be encoded: {where}" in message
    assert "is a number of 14285 bits: no reader takes more than 4300 digits; send a" in message


def nested(levels: int, innermost: Any) -> Any:
    value = innermost
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def test_as_many_digits_and_levels_as_can_be_read_may_be_written() -> None:
    event = holding(Any, [10**4300 - 1, "1" * 5000, nested(198, 1), [[]] * 500])

    assert type(event).model_validate_json(encode(event)) == event


def test_what_is_nested_more_deeply_than_can_be_read_is_refused() -> None:
    assert "... is 1: it contains itself, or is nested too deeply" in refusal(Any, nested(200, 1))
    assert "nested too deeply; flatten it" in refusal(list[Any], [0, nested(199, 1)])
    assert "nested too deeply; flatten it" in refusal(Any, nested(3000, 1))


def test_what_a_serializer_makes_unreadable_is_refused() -> None:
    class Growing(Event):
        field: Annotated[int, PlainSerializer(lambda value: value**5000)] = 10

    with pytest.raises(Unencodable, match="what a serializer returned: number out of"):
        encode(Growing())


def test_a_value_that_contains_itself_is_refused() -> None:
    itself: list[Any] = []
    itself.append(itself)

    assert "contains itself, or is nested too deeply" in refusal(Any, itself)
    assert len(refusal(Any, itself)) < 400


def test_a_traceback_shows_no_more_of_an_event_than_the_value_that_is_wrong() -> None:
    class Card(BaseModel):
        number: str
        months: int

    class Charged(Event):
        card: Card | int
        cards: list[Card | int] = []

    text: Any = "12"
    card = Card.model_construct(number="4111", months=text)
    for event in (Charged(card=1, cards=[card]), Charged.model_construct(card=card)):
        with pytest.raises(Unencodable, match=r" is Card\(...\): ") as caught:
            encode(event)
        assert "4111" not in "".join(traceback.format_exception(caught.value))


def test_what_a_serializer_raises_is_refused_with_its_field() -> None:
    class Failing(Event):
        field: int = 1

        @field_serializer("field")
        def write(self, value: int) -> int:
            raise LookupError("no rate for XTS")

    with pytest.raises(Unencodable, match="field is 1: no rate for XTS"):
        encode(Failing())


def test_what_a_serializer_returns_wrongly_is_refused_with_its_field() -> None:
    class Returning(Event):
        field: Annotated[int, PlainSerializer(lambda _: float("nan"))] = 1

    class Whole(Event):
        field: int = 1

        @model_serializer
        def write(self) -> dict[str, float]:
            return {"field": float("nan")}

    with pytest.raises(Unencodable, match=r"field is 1: .*no such number"):
        encode(Returning())
    with pytest.raises(Unencodable, match="a serializer returned nan; JSON has no such number"):
        encode(Whole())


def test_a_number_that_a_serializer_replaced_is_not_refused() -> None:
    class Replacing(Event):
        weight: Annotated[Any, PlainSerializer(lambda _: None)] = float("nan")
        word: str = "NaN"

    assert encode(Replacing()) == b'{"weight":null,"word":"NaN"}'


def test_a_message_stays_short_whatever_the_value() -> None:
    assert len(refusal(Any, {"a" * 10_000: ["\ud800" * 10_000]})) < 500


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
poisons: st.SearchStrategy[Any] = st.sampled_from(
    [NAIVE, float("nan"), float("-inf"), Decimal("sNaN"), "\udc80", object(), {"\udc80": 1}]
)


def wrap(wrapped: tuple[str, Any], step: tuple[str, Any]) -> tuple[str, Any]:
    path, value = wrapped
    key, beside = step
    if isinstance(beside, dict):
        return f"[{key!r}]{path}", {**beside, key: value}
    return f"[{len(beside)}]{path}", [*beside, value]


containers = st.lists(json_values, max_size=2) | st.dictionaries(
    st.text(max_size=5), json_values, max_size=2
)


@given(poison=poisons, steps=st.lists(st.tuples(st.text(max_size=5), containers), max_size=4))
def test_wherever_a_wrong_value_sits_its_path_is_named(
    poison: Any, steps: list[tuple[str, Any]]
) -> None:
    path, value = "", poison
    for step in steps:
        path, value = wrap((path, value), step)
    expected = f"field{path}"
    shown = expected if len(expected) <= 80 else f"{expected[:80]}..."

    assert f"cannot be encoded: {shown}" in refusal(Any, value)


def test_any_model_of_pydantic_can_be_encoded() -> None:
    assert encode(Foreign(tags=set())).startswith(b'{"at":"2026-01-31T12:00:00Z"')
    with pytest.raises(Unencodable, match=r"^Foreign cannot be encoded: at is"):
        encode(Foreign(at=NAIVE))
