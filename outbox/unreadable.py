"""Values that a column may hold and Python may not, such as the date 'infinity'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import DataError

from outbox.columns import AnyField
from outbox.errors import InvalidPayload


def unreadable(cursor: Any, fields: Sequence[AnyField], why: object) -> InvalidPayload:
    """What to raise where rows were found and could not be loaded."""
    label = fields[0].model._meta.label
    found = (fields[index] for index in _unreadable(cursor))
    name = next((f"{each.model._meta.label}.{each.name}" for each in found), f"a row of {label}")
    return InvalidPayload(
        f"{name} holds a value that Python cannot: {why}; correct it, or exclude the field from "
        "capture()"
    )


def _unreadable(cursor: Any) -> Iterator[int]:
    """Columns that hold such a value."""
    result = cursor.pgresult
    for column in range(result.nfields):
        oid, form = result.ftype(column), result.fformat(column)
        loader = cursor.adapters.get_loader(oid, form)(oid, cursor)
        try:
            for row in range(result.ntuples):
                value = result.get_value(row, column)
                loader.load(value) if value is not None else None
        except DataError:
            yield column
