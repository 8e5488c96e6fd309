"""What every event says of the circumstances in which it was recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from outbox import tracing
from outbox.errors import InvalidContext
from schemas import SchemaError
from schemas.encoding import key_text
from schemas.envelope import require_extension

LONGEST = 1_000
"""Characters of one value: headers are for identifiers, not for content."""

Attribute = object | Callable[[], object]

_attributes: ContextVar[Mapping[str, Attribute]] = ContextVar(
    "outbox_context", default=MappingProxyType({})
)


@contextmanager
def context(**attributes: Attribute) -> Iterator[None]:
    """Let the events that the block records carry these attributes, beside those around it.

    They travel as extension attributes of CloudEvents, whose names have no underscore:
    `context(correlation_id=...)` becomes `ce_correlationid`. A value is a scalar, or a function
    that gives one when an event is recorded; None leaves the attribute out. `traceparent` and
    `tracestate` are for where no span of OpenTelemetry is under way: a span brings its own.

    Raises InvalidContext for a name or a value that cannot be a header.
    """
    named = _named(attributes)
    for name, value in named.items():
        if not callable(value):
            _text(name, value)
    token = _attributes.set({**_attributes.get(), **named})
    try:
        yield
    finally:
        _attributes.reset(token)


def headers() -> bytes | None:
    """The attributes of an event that is recorded now, as a JSON object; None without any."""
    attributes, trace = _attributes.get(), tracing.carried()
    if not attributes and not trace:
        return None
    found = dict(trace)
    for name, value in attributes.items():
        if trace and name in tracing.NAMES:
            continue  # never the parent of one trace with the state of another
        text = _text(name, value() if callable(value) else value)
        if text is not None:
            found[name] = text
    return json.dumps(found, ensure_ascii=False).encode() if found else None


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """The attributes by the names that travel; two that become one are refused."""
    given: dict[str, str] = {}
    for each in attributes:
        name = _name(each)
        if name in given:
            raise InvalidContext(
                f"context({given[name]}=..., {each}=...): both become the attribute {name!r}; "
                "keep one of them"
            )
        given[name] = each
    return {name: attributes[each] for name, each in given.items()}


def _name(given: str) -> str:
    name = given.replace("_", "").lower()
    try:
        require_extension(name)
    except SchemaError as exc:
        raise InvalidContext(f"context({given}=...): {exc}") from None
    return name


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    try:
        text = key_text(value)
    except SchemaError:
        raise InvalidContext(
            f"context attribute {name!r} cannot be {value!r}; use one text, number or identifier"
        ) from None
    if len(text) > LONGEST or not text.isprintable():
        raise InvalidContext(
            f"context attribute {name!r} is {text[:100]!r}, which is no identifier; use up to "
            f"{LONGEST} printable characters"
        )
    return text
