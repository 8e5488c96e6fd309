"""Which value of an event cannot be written, and what to do about it.

Runs only when something is wrong, or looks so. Pydantic-core's error names neither the path nor
the value, and some mistakes pass it without any: it writes NaN, replaces a lone surrogate in a key
by U+FFFD, and writes more than can be read. The first two leave marks in the text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from decimal import Decimal
from reprlib import Repr
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from schemas import canonical, limits, values
from schemas.errors import SchemaError

_REPLACEMENT = "\ufffd".encode()

_NO_NUMBER = re.compile(r"[+-]?(s?NaN\d*|Infinity)")
_SURROGATE = re.compile("[\ud800-\udfff]")

Reason = Callable[[object], str | None]
Fault = tuple[str, object, str]


def of_failure(event: BaseModel, error: Exception) -> str:
    """Describe what made encoding fail with `error`."""
    for name, value in _members(event):
        try:
            _alone(event, name)
        except Exception as exc:
            fault = next(_faults(name, value, reason), (name, value, _brief(exc)))
            return _sentence(event, fault)
    return f"{title(event)} cannot be encoded: {_brief(error)}"


def of_text(event: BaseModel, text: bytes) -> str | None:
    """Describe what is wrong though it was encoded as `text`; None if nothing is."""
    if _is_marked(text) and (found := _of_mark(event, text)):
        return found
    if len(text) > limits.LEVELS and (limits.has_many_digits(text) or limits.is_too_deep(text)):
        return _of_size(event, text)
    return None


def _is_marked(text: bytes) -> bool:
    # One letter is looked for much faster than a word.
    return (
        (b"N" in text and b"NaN" in text)
        or (b"I" in text and b"Infinity" in text)
        or not (text.isascii() or _REPLACEMENT not in text)
    )


def _of_size(event: BaseModel, text: bytes) -> str | None:
    for name, value in _members(event):
        for fault in _faults(name, value, _oversized):
            return _sentence(event, fault)
    failure = limits.refusal(text)
    return failure and f"{title(event)} cannot be encoded: what a serializer returned: {failure}"


def _of_mark(event: BaseModel, text: bytes) -> str | None:
    """None if the mark is a word in a string."""
    suspicion = _suspicion(json.loads(text))
    if suspicion is None:
        return None
    for name, value in _members(event):
        if _suspicion(json.loads(_alone(event, name))) is not None:
            for fault in _faults(name, value, _silent):
                return _sentence(event, fault)
    return f"{title(event)} cannot be encoded: {suspicion}" if suspicion else None


def _alone(event: BaseModel, name: str) -> bytes:
    """The text of an event with this field only."""
    serializer = canonical.serializer(type(event))
    return serializer.to_json(event, include={name}, by_alias=True, warnings="error")


def _suspicion(parsed: object) -> str | None:
    """None: nothing is wrong. Empty: perhaps. Else what is wrong for sure."""
    match parsed:
        case float() if not math.isfinite(parsed):
            return f"a serializer returned {parsed}; JSON has no such number"
        case str() if _NO_NUMBER.fullmatch(parsed):
            return ""
        case dict():
            found = [_suspicion(item) for item in parsed.values()]
            found += ["" for key in parsed if "\ufffd" in key or _NO_NUMBER.fullmatch(key)]
        case list():
            found = [_suspicion(item) for item in parsed]
        case _:
            return None
    return max((each for each in found if each is not None), default=None)


def _members(value: object) -> list[tuple[str, object]]:
    """Names and values of a model or a dataclass."""
    if isinstance(value, BaseModel):
        cls = type(value)
        names = [*cls.__pydantic_fields__, *cls.__pydantic_computed_fields__]
    elif is_dataclass(value):
        names = [each.name for each in fields(value)]
    else:
        names = []
    extra = getattr(value, "__pydantic_extra__", None) or {}
    return [(name, getattr(value, name, None)) for name in (*names, *extra)]


def _faults(path: str, value: object, why_not: Reason, depth: int = 0) -> Iterator[Fault]:
    """Every value that has a reason not to be written, with its path, the innermost first."""
    if depth >= limits.LEVELS:
        yield path, value, "it contains itself, or is nested too deeply; flatten it"
        return
    for key in value if isinstance(value, Mapping) else ():
        if why := why_not(key):
            yield f"{path}, a key,", key, why
    for place, item in _inside(path, value):
        yield from _faults(place, item, why_not, depth + 1)
    if why := why_not(value):
        yield path, value, why


def _inside(path: str, value: object) -> list[tuple[str, object]]:
    match value:
        case Mapping():
            return [(f"{path}[{shown(key)}]", item) for key, item in value.items()]
        case list() | tuple() | AbstractSet():
            return [(f"{path}[{index}]", item) for index, item in enumerate(value)]
        case _:
            return [(f"{path}.{name}", item) for name, item in _members(value)]


def reason(value: object) -> str | None:
    if why := _silent(value):
        return why
    try:
        to_json(canonical.plain(value))
    except Exception as exc:
        ours = type(exc) is ValueError or isinstance(exc, SchemaError)
        return str(exc) if ours else "JSON has no form for it; send a string, a number or a model"
    return None


def _silent(value: object) -> str | None:
    """The reasons that pydantic-core passes over in some places."""
    if isinstance(value, float | complex | Decimal) and not values.is_finite(value):
        return "JSON has no such number; send None or leave the field out"
    if isinstance(value, str) and _SURROGATE.search(value):
        return "it has a lone surrogate, which UTF-8 does not have; repair the text"
    return _oversized(value)


def _oversized(value: object) -> str | None:
    if limits.is_too_long(value):
        return f"no reader takes more than {limits.DIGITS} digits; send a string"
    return None


def _sentence(event: BaseModel, fault: Fault) -> str:
    path, value, why = fault
    path = path if len(path) <= _LONG else f"{path[:_LONG]}..."
    return f"{title(event)} cannot be encoded: {path} is {shown(value)}: {why}"


def shown(value: object) -> str:
    """A value for a message: short, and of a model only its name, as the rest of it is right."""
    return _short.repr(value)


class _Short(Repr):
    def repr1(self, x: Any, level: int) -> str:
        if isinstance(x, BaseModel) or (is_dataclass(x) and not isinstance(x, type)):
            return f"{type(x).__name__}(...)"
        if limits.is_too_long(x):
            return f"a number of {x.bit_length()} bits"
        return super().repr1(x, level)


def title(event: BaseModel) -> str:
    contract = getattr(event, "__contract__", None)
    name = type(event).__qualname__
    return name if contract is None else f"{name} ({contract})"


def _brief(error: Exception) -> str:
    """What a message of pydantic-core says, without its wrapping."""
    if expected := _EXPECTED.search(str(error)):
        return f"it is not {expected[1]}; build the event through its class, which validates"
    return _WRAPPING.sub("", str(error)).splitlines()[0][:200]


_LONG = 80
_EXPECTED = re.compile(r"Expected `(.+?)` - serialized value")
_WRAPPING = re.compile(
    r"\A(Error serializing to JSON: |Pydantic serializer warnings:\s+|\w+Error: "
    r"|PydanticSerializationUnexpectedValue\(|Error calling function `\w+`: )+"
)
_short = _Short()
_short.maxother = _short.maxstring = _LONG
