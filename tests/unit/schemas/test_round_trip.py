"""What any contract writes is strict JSON, and its own class reads it back."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple, NoReturn, Union
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, create_model
from typing_extensions import TypedDict

from schemas import Event, encode


class Colour(Enum):
    RED = "red"
    TWO = 2


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Plain(BaseModel):
    at: datetime
    amount: Decimal
    weight: float
    length: timedelta


class Nested(Event):
    raw: bytes
    plain: Plain | None


@dataclass
class Point:
    x: float
    at: datetime


class Row(TypedDict):
    raw: bytes
    at: datetime


class Pair(NamedTuple):
    left: int
    right: date


class Tree(Event):
    at: datetime
    raw: bytes = b""
    children: list[Tree] = []


def whole_minutes() -> st.SearchStrategy[timezone]:
    return st.builds(
        timezone, st.integers(-23 * 60, 23 * 60).map(lambda minutes: timedelta(minutes=minutes))
    )


def has_utc(moment: datetime) -> bool:
    return date.min < moment.date() < date.max


moments = st.datetimes(timezones=whole_minutes()).filter(has_utc)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
floats = st.floats(allow_nan=False, allow_infinity=False)
plains = st.builds(Plain, at=moments, amount=decimals, weight=floats, length=st.timedeltas())
trees = st.recursive(
    st.builds(Tree, at=moments, raw=st.binary()),
    lambda inner: st.builds(Tree, at=moments, children=st.lists(inner, max_size=3)),
    max_leaves=5,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

KEYS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, st.text()),
    (int, st.integers()),
    (bool, st.booleans()),
    (float, floats),
    (Decimal, decimals),
    (bytes, st.binary()),
    (date, st.dates()),
    (datetime, moments),
    (timedelta, st.timedeltas()),
    (UUID, st.uuids()),
    (Level, st.sampled_from(Level)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
]
SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    *KEYS,
    (time, st.times()),
    (Colour, st.sampled_from(Colour)),
    (Literal[1, "one", None], st.sampled_from([1, "one", None])),
    (PurePosixPath, st.sampled_from([PurePosixPath("/a/b"), PurePosixPath("c")])),
    (IPv4Address, st.ip_addresses(v=4)),
    (Plain, plains),
    (Nested, st.builds(Nested, raw=st.binary(), plain=st.none() | plains)),
    (Point, st.builds(Point, x=floats, at=moments)),
    (Row, st.fixed_dictionaries({"raw": st.binary(), "at": moments})),
    (Pair, st.builds(Pair, st.integers(), st.dates())),
    (Tree, trees),
    (int | str, st.integers() | st.text()),
    (date | int, st.dates() | st.integers()),
    (Plain | Nested, plains | st.builds(Nested, raw=st.binary(), plain=plains)),
    (Any, json_values),
    (dict[str, Any], st.dictionaries(st.text(), json_values, max_size=3)),
]


def of(origin: Any, *arguments: Any) -> Any:
    """`origin[arguments]` for annotations that are made at run time."""
    return origin[arguments]


def containers(of_what: tuple[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    annotation, values = of_what
    some = st.lists(values, max_size=3)
    ways = [
        (of(Union, annotation, None), st.none() | values),
        (of(list, annotation), some),
        (of(tuple, annotation, ...), some.map(tuple)),
        (of(tuple, int, annotation), st.tuples(st.integers(), values)),
        (of(deque, annotation), some.map(deque)),
        (of(Sequence, annotation), some),
        (of(dict, str, annotation), st.dictionaries(st.text(), values, max_size=3)),
        (of(Mapping, str, annotation), st.dictionaries(st.text(), values, max_size=3)),
    ]
    return st.sampled_from(ways)


def hashed(of_what: tuple[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    annotation, values = of_what
    ways = [
        (of(set, annotation), st.sets(values, max_size=4)),
        (of(frozenset, annotation), st.frozensets(values, max_size=4)),
        (of(dict, annotation, int), st.dictionaries(values, st.integers(), max_size=4)),
    ]
    return st.sampled_from(ways)


shapes = (
    st.sampled_from(SCALARS)
    | st.sampled_from(SCALARS).flatmap(containers)
    | st.sampled_from(SCALARS).flatmap(containers).flatmap(containers)
    | st.sampled_from(KEYS).flatmap(hashed)
    | st.sampled_from(KEYS).flatmap(hashed).flatmap(containers)
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    drawn = draw(st.lists(shapes, min_size=1, max_size=3))
    fields: Any = {f"field_{index}": (shape, ...) for index, (shape, _) in enumerate(drawn)}
    cls = create_model("Drawn", __base__=Event, **fields)
    return cls(**{f"field_{index}": draw(values) for index, (_, values) in enumerate(drawn)})


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not strict JSON")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a key stands twice"
    return dict(pairs)


@settings(max_examples=400)
@given(event=events())
def test_what_an_event_writes_is_strict_json_and_its_class_reads_it_back(event: Event) -> None:
    text = encode(event)

    json.loads(text.decode(), parse_constant=refuse, object_pairs_hook=once)
    again = type(event).model_validate_json(text)
    assert again == event
    assert encode(again) == text
