"""The canonical JSON of single values, for what is written row by row.

The same text as the serialiser of a contract gives, at a fraction of its cost; what is not so
simple is left to it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from json.encoder import encode_basestring
from types import NoneType
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from schemas import values

Writer = Callable[[Any], str]

quoted = encode_basestring
"""A text as a JSON string, in which only what has to be is escaped."""


def writer(annotation: object) -> Writer | None:
    """What writes values that are exactly of this type; None where there is no short way.

    A writer raises ValueError for a value that JSON does not have.
    """
    return _WRITERS.get(annotation)


def most_of(annotation: object) -> int:
    """The most bytes that the writer of a type gives, of a text or a decimal for an empty one."""
    return _MOST[annotation]


def _moment(value: datetime) -> str:
    moment = value if value.tzinfo is UTC else values.utc(value)
    return f'"{moment.isoformat()[:-6]}Z"'


def _decimal(value: Decimal) -> str:
    return f'"{value if value.is_finite() else values.finite(value)}"'


def _float(value: float) -> str:
    return to_json(values.finite(value)).decode()


def _in_quotes(write: Callable[[Any], str]) -> Writer:
    return lambda value: f'"{write(value)}"'


_WRITERS: dict[object, Writer] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    float: _float,
    Decimal: _decimal,
    str: quoted,
    UUID: _in_quotes(str),
    datetime: _moment,
    date: _in_quotes(date.isoformat),
    time: _in_quotes(time.isoformat),
    timedelta: _in_quotes(values.duration),
    bytes: _in_quotes(values.base64),
}

_MOST: dict[object, int] = {
    NoneType: 4,
    bool: 5,
    int: 20,  # of 64 bits
    float: 25,
    Decimal: 2,
    str: 2,
    UUID: 38,
    datetime: 29,
    date: 12,
    time: 34,
    timedelta: 40,
    bytes: 6,
}
