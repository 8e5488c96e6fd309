"""Reading rows as they are stored: no field, manager or queryset has a say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import DataError, connections
from django.db.models import Model

from outbox import database, moments
from outbox.columns import AnyField
from outbox.unreadable import unreadable

ROWS_PER_QUERY = 1_000

Row = tuple[Any, ...]


def read(
    model: type[Model],
    fields: Sequence[AnyField],
    *,
    by: Sequence[AnyField],
    values: Sequence[Row],
    lock: bool = False,
) -> Iterator[Row]:
    """Columns of a model and its parents, of the rows whose columns `by` have one of the values.

    With `lock`, the rows stay as they are in all their tables until the transaction ends.
    """
    connection = connections[database.alias()]
    name = connection.ops.quote_name
    shown = ", ".join(_column(field, name) for field in fields)
    found_by = ", ".join(_column(field, name) for field in by)
    one = f"({', '.join(['%s'] * len(by))})"
    remaining = iter(values)
    while chunk := list(islice(remaining, ROWS_PER_QUERY)):
        condition = f"({found_by}) IN ({', '.join([one] * len(chunk))})"
        sql = f"SELECT {shown} FROM {_tables(model, name)} WHERE {condition}"  # noqa: S608
        with connection.cursor() as cursor:
            moments.load(cursor)
            cursor.execute(
                sql + (" FOR NO KEY UPDATE" if lock else ""),
                [value for row in chunk for value in row],
            )
            try:
                found = cursor.fetchall()
            except DataError as exc:
                raise unreadable(cursor, fields, exc) from exc
        yield from found


def links(model: type[Model]) -> dict[type[Model], AnyField]:
    """What joins the tables of a child by multi-table inheritance: by parent, nearest first."""
    found: dict[type[Model], AnyField] = {}
    for parent, link in model._meta.parents.items():
        if link is not None and link.model is model:
            found[parent] = link
            for each, at in links(parent).items():
                found.setdefault(each, at)
    return found


def _tables(model: type[Model], name: Any) -> str:
    """The table of a model, joined with those of its parents."""
    joined = name(model._meta.db_table)
    for parent, link in links(model).items():
        on = f"{_column(link, name)} = {_column(parent._meta.pk, name)}"
        joined += f" JOIN {name(parent._meta.db_table)} ON {on}"
    return str(joined)


def _column(field: AnyField, name: Any) -> str:
    return f"{name(field.model._meta.db_table)}.{name(field.column)}"
