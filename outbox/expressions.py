"""How SQL writes what a column holds: the same text as Python, whatever the session's settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connections

from outbox import database
from outbox.columns import AnyField, kind_of
from outbox.errors import UnsupportedField

Sql = Callable[[str, str], str]
"""Makes SQL out of that of a value, and out of a literal that names its column."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What a trigger makes of values of one type, in SQL that is NULL for NULL."""

    json: Sql
    key: Sql | None
    """The text of a key; None for what cannot be one."""
    compared: Sql
    """What IS DISTINCT FROM tells apart as Python would."""


def expression_of(field: AnyField) -> Expression:
    """UnsupportedField where a trigger could not write what Django reads."""
    if field.generated and not field.db_persist:  # type: ignore[attr-defined]
        raise _unsupported(field, "is computed when it is read, which no trigger sees")
    output = field.output_field if field.generated else field  # type: ignore[attr-defined]
    found = _expression(output)
    if found is None:
        kind = f"{type(output).__qualname__} ({column_type(output)})"
        raise _unsupported(
            field, f"is a {kind}, which no trigger writes to the byte as Django does"
        )
    return found


def column_type(field: AnyField) -> str:
    """Without length and scale, which the stored value has anyway."""
    found = field.db_type(connections[database.alias()]) or "without a column"
    return re.sub(r"\(.*?\)", "", found)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _unsupported(field: AnyField, fault: str) -> UnsupportedField:
    return UnsupportedField(
        f'{field.model._meta.label}.{field.name} {fault}; exclude it, or drop via="trigger"'
    )


def _expression(field: AnyField) -> Expression | None:
    kind, stored_as = kind_of(field), column_type(field)
    if kind is None:
        return None
    if stored_as.endswith("]"):
        return _array(_expression(field.base_field))  # type: ignore[attr-defined]
    if stored_as in _RANGES:
        return _range(_RANGES[stored_as])
    return _EXPRESSIONS.get((kind.annotation, stored_as))


def _array(item: Expression | None) -> Expression | None:
    if item is None or item.key is None:  # an array of arrays, or of what has parts itself
        return None

    def of_items(expression: Sql, value: str, name: str) -> str:
        """An array of what each item gives, NULL for NULL."""
        source = f"unnest(outbox_flat({value}, {name})) WITH ORDINALITY AS item(value, ordinality)"
        given = f"SELECT {expression('item.value', name)} FROM {source} ORDER BY item.ordinality"  # noqa: S608
        return f"CASE WHEN {value} IS NOT NULL THEN ARRAY({given}) END"

    def json(value: str, name: str) -> str:
        return f"'[' || array_to_string({of_items(item.json, value, name)}, ',', 'null') || ']'"

    return Expression(json=json, key=None, compared=partial(of_items, item.compared))


def _range(bound: Expression) -> Expression:
    def json(value: str, name: str) -> str:
        lower, upper = bound.json(f"lower({value})", name), bound.json(f"upper({value})", name)
        return (
            f"CASE WHEN {value} IS NOT NULL THEN '{{\"lower\":' || coalesce({lower}, 'null') "
            f"|| ',\"upper\":' || coalesce({upper}, 'null') "
            f"|| ',\"bounds\":\"' || outbox_bounds({value}) || '\"}}' END"
        )

    return Expression(json=json, key=None, compared=_itself)


def _itself(value: str, name: str) -> str:
    return value


def _bytewise(value: str, name: str) -> str:
    # The column's own collation may take different texts for the same.
    return f'{value} COLLATE "C"'


def _cast(value: str, name: str) -> str:
    return f"{value}::text"


def _call(function: str) -> Sql:
    return lambda value, name: f"{function}({value}, {name})"


def _base64(value: str, name: str) -> str:
    return f"translate(encode({value}, 'base64'), E'\\n', '')"


def _quoted(text: Sql, *, key: Sql | None = None, compared: Sql = _itself) -> Expression:
    """A text in which nothing has to be escaped."""
    return Expression(
        json=lambda value, name: f"'\"' || {text(value, name)} || '\"'",
        key=key or text,
        compared=compared,
    )


_TEXT = Expression(
    json=lambda value, name: f"to_json({value}::text)::text", key=_cast, compared=_bytewise
)
_ADDRESS = Expression(
    # Cast to text, it would have a mask.
    json=lambda value, name: f"to_json({value})::text",
    key=lambda value, name: f"to_json({value}) #>> '{{}}'",
    compared=_itself,
)
_BARE = Expression(json=_cast, key=_cast, compared=_itself)
_NUMERIC = _quoted(
    _call("outbox_numeric_text"),
    key=lambda value, name: f"trim_scale(outbox_numeric_text({value}, {name})::numeric)::text",
)
_FLOAT = Expression(
    json=_call("outbox_float_text"), key=_call("outbox_float_text"), compared=_itself
)
_JSON = Expression(
    json=_call("outbox_jsonb_text"),
    key=None,
    # No value, and the null of JSON, are the same to those who read the event.
    compared=lambda value, name: f"coalesce(outbox_jsonb_text({value}, {name}), 'null')",
)
_DATE = _quoted(_call("outbox_date_text"))
_MOMENT = _quoted(_call("outbox_timestamptz_text"))
_DURATION = _call("outbox_interval_text")

_EXPRESSIONS: dict[tuple[Any, str], Expression] = {
    (bool, "boolean"): _BARE,
    (int, "smallint"): _BARE,
    (int, "integer"): _BARE,
    (int, "bigint"): _BARE,
    (float, "double precision"): _FLOAT,
    (Decimal, "numeric"): _NUMERIC,
    (str, "varchar"): _TEXT,
    (str, "text"): _TEXT,
    (str, "inet"): _ADDRESS,
    (UUID, "uuid"): _quoted(_cast),
    (datetime, "timestamp with time zone"): _MOMENT,
    (date, "date"): _DATE,
    (time, "time"): _quoted(_call("outbox_time_text")),
    # A year has 365 days in Python, and 360 where PostgreSQL compares.
    (timedelta, "interval"): _quoted(_DURATION, compared=_DURATION),
    (bytes, "bytea"): _quoted(_base64),
    (Any, "jsonb"): _JSON,
}
_RANGES = {
    "int4range": _BARE,
    "int8range": _BARE,
    "numrange": _NUMERIC,
    "daterange": _DATE,
    "tstzrange": _MOMENT,
}
