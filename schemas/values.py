"""How single values are written, where pydantic's own way is not the canonical one.

A value that has no canonical form raises `ValueError`, whose text is the reason and the cure.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic_core import to_json


def utc(value: Any) -> datetime:
    """The same moment in UTC."""
    if not isinstance(value, datetime):
        raise _unlike("a datetime")
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise ValueError(
            "it has no time zone; give it one, such as datetime.now(UTC) or Django's make_aware()"
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(
            "in UTC its year is not within 1 and 9999; choose another moment"
        ) from None


def base64(value: Any) -> str:
    """Base64 in the standard alphabet, padded; pydantic writes the alphabet for URLs."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise _unlike("bytes")
    return b64encode(value).decode()


def duration(value: Any) -> str:
    """ISO 8601 in days and smaller units; pydantic writes years, which others cannot measure."""
    if not isinstance(value, timedelta):
        raise _unlike("a timedelta")
    sign, size = ("-", -value) if value.days < 0 else ("", value)
    minutes, seconds = divmod(size.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{size.microseconds:06}" if size.microseconds else ""
    return f"{sign}P{size.days}DT{hours}H{minutes}M{seconds}{fraction}S"


def finite(value: Any) -> Any:
    """The number itself, unless it is NaN or infinite: JSON has no such numbers."""
    if not is_finite(value):
        raise ValueError("JSON has no such number; send None or leave the field out")
    return value


def is_finite(value: float | complex | Decimal) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    if isinstance(value, complex):
        return math.isfinite(value.real) and math.isfinite(value.imag)
    return math.isfinite(value)


def ordered(value: Any, handler: Callable[[Any], list[Any]]) -> list[Any]:
    """The members of a set in the order of the bytes that they are written as."""
    return sort(handler(value))


def sort(members: list[Any]) -> list[Any]:
    """A set's own order differs between processes."""
    return sorted(members, key=to_json)


def unique(value: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """The mapping, unless two of its keys have one text, or a key has none."""
    if not isinstance(value, Mapping):
        raise _unlike("a mapping")
    if None in value:
        raise ValueError("its key None has no text; use a string")
    for key in value:
        if isinstance(key, float):
            finite(key)
    written = handler(value)
    if len(written) != len(value):
        raise ValueError("two of its keys are the same text in JSON; rename one of them")
    return written


def _unlike(expected: str) -> ValueError:
    return ValueError(f"it is not {expected}; build the event through its class, which validates")
