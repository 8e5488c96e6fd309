"""Captured children by multi-table inheritance: a row in several tables, a change in several
statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from outbox import database, saving, tables
from outbox.autocommit import guard
from outbox.buffer import Buffer
from outbox.columns import AnyField
from outbox.payload import Column, Values, canonical
from outbox.reading import links, read
from outbox.record import recording
from outbox.tables import Op, Write

if TYPE_CHECKING:
    from outbox.captured import Captured

_OPERATIONS, _GONE = "_outbox_operations", "_outbox_gone"


def follow(captured: Captured) -> None:
    """Let a captured child see what happens to its own table and to those of its parents."""
    for model in (captured.model, *captured.model._meta.all_parents):
        tables.follow(model, Part(captured, model))


def begin(using: str, instance: Model) -> None:
    """An instance is about to be saved, its parents first."""
    if tables.has_parts(type(instance)):
        _operations(connections[using]).append(Operation(instance))


def end(using: str, instance: Model) -> None:
    """The last table of an instance was written."""
    operations = _operations(connections[using])
    if operations and operations[-1].instance is instance:
        operations.pop().settle()


def abandon(using: str, instance: Model) -> None:
    """Whatever has become of the save, it is over."""
    operations = _operations(connections[using])
    operations[:] = [each for each in operations if each.instance is not instance]


def statement(
    connection: BaseDatabaseWrapper, model: type[Model]
) -> AbstractContextManager[object]:
    """A part of the operation that is under way, or one that stands alone."""
    if not tables.with_parts or _operations(connection) or not tables.has_parts(model):
        return nullcontext()
    return _alone(connection, model._meta.label)


@contextmanager
def _alone(connection: BaseDatabaseWrapper, label: str) -> Iterator[None]:
    operations, operation = _operations(connection), Operation(None)
    with guard(connection, label):
        operations.append(operation)
        try:
            yield
        finally:
            operations.remove(operation)
        operation.settle()


def _operations(connection: BaseDatabaseWrapper) -> list[Operation]:
    """Those under way on a connection, the innermost last; no receiver of signals runs in one."""
    found: list[Operation] = connection.__dict__.setdefault(_OPERATIONS, [])
    return found


@dataclass(eq=False)
class Part:
    """What one table holds of the rows of a captured child."""

    captured: Captured
    table: type[Model]
    is_part = True
    deferral = None

    @property
    def model(self) -> type[Model]:
        return self.captured.model

    @property
    def capture(self) -> Captured:
        return self.captured

    @property
    def models(self) -> tuple[type[Model], ...]:
        return (self.model,)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        local = self.table._meta.local_concrete_fields
        return tuple(each for each in self.captured.payload.columns if each.field in local)

    @cached_property
    def pk(self) -> Column:
        return next(each for each in self.columns if each.field is self.table._meta.pk)

    @cached_property
    def link(self) -> AnyField:
        """The column nearest to the child, of those that hold this table's primary key."""
        joins, field = links(self.model), self.table._meta.pk
        while field.model in joins and field is field.model._meta.pk:
            field = joins[field.model]
        return field

    def moves(self, assigned: Collection[AnyField]) -> bool:
        return self.captured.moves(assigned)

    def needs_before(self, assigned: Collection[AnyField]) -> bool:
        return self.captured.needs_before(assigned)

    def written(self, writes: Sequence[Write], buffer: Buffer) -> None:
        gone = [write.before for write in writes if write.op == "delete" and write.before]
        if gone and self.table is self.model:
            # A child goes before its parents, which still hold the rest of it.
            rows = [Write("delete", row, None) for row in with_parents(self.captured, gone)]
            self.captured.written(rows, buffer)
        elif gone:
            _remember(self, gone)
        operation = _operations(connections[database.alias()])[-1]
        for write in writes:
            operation.add(self, write)


@dataclass(eq=False)
class Operation:
    """The rows of captured children that one operation of Django writes, in whatever tables."""

    instance: Model | None
    _writes: defaultdict[Captured, dict[Part, dict[Any, Write]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def add(self, part: Part, write: Write) -> None:
        """Note a row of a part; the child is recorded when the operation ends."""
        if write.after is None or (self.instance is None and _is_for_later(part, write)):
            return
        writes = self._writes[part.captured].setdefault(part, {})
        writes[write.after[part.pk.name]] = write

    def settle(self) -> None:
        """Record the rows as they are now."""
        for captured, parts in self._writes.items():
            with recording(captured.label) as buffer:
                if rows := _rows(captured, parts):
                    captured.written([_whole(captured, values, parts) for values in rows], buffer)


def _is_for_later(part: Part, write: Write) -> bool:
    """Whether the child itself comes after this row of a parent."""
    return write.op == "create" and part.table is not part.model and not saving.is_raw()


def _rows(captured: Captured, parts: dict[Part, dict[Any, Write]]) -> list[Values]:
    """The children that these parts belong to, each once."""
    found = list(_assembled(captured, parts))
    for column, pks in _wanted(parts).items():
        missing = pks - {values[column.attname] for values in found}
        # Locked, as other transactions may be writing the other tables of the same row.
        found += captured.payload.read([column], [(pk,) for pk in missing], lock=True)
    return found


def _assembled(captured: Captured, parts: dict[Part, dict[Any, Write]]) -> Iterator[Values]:
    """Those of which every table was written: the statements have returned and locked them."""
    tables = {part.table: writes for part, writes in parts.items()}
    joins = links(captured.model)
    for write in tables.get(captured.model, {}).values():
        values = write.after or {}
        for parent, link in joins.items():
            found = tables.get(parent, {}).get(values[link.attname])
            if found is None or found.after is None:
                break
            values = values | found.after
        else:
            yield values


def _wanted(parts: dict[Part, dict[Any, Write]]) -> dict[AnyField, set[Any]]:
    """What children are found by, if they are there."""
    wanted: defaultdict[AnyField, set[Any]] = defaultdict(set)
    for part, writes in parts.items():
        wanted[part.link] |= {pk for pk, each in writes.items() if not _is_for_later(part, each)}
    return {column: pks for column, pks in wanted.items() if pks}


def _whole(captured: Captured, values: Values, parts: dict[Part, dict[Any, Write]]) -> Write:
    """What happened to a child, out of what happened to its parts."""
    found = (rows.get(values[part.pk.name]) for part, rows in parts.items())
    writes = [write for write in found if write]
    op: Op = "create" if any(write.op == "create" for write in writes) else "update"
    old: Values = {}
    for write in writes:
        old |= write.before or {}
    before = _before(captured, values, old) if old and op == "update" else None
    return Write(op, before, values)


def _before(captured: Captured, values: Values, old: Values) -> Values:
    before = values | old
    joins = links(captured.model).values()
    if any(before[link.attname] != values[link.attname] for link in joins):
        (before,) = with_parents(captured, [before])
    return before


def with_parents(captured: Captured, rows: list[Values]) -> list[Values]:
    """Rows of a child's own table, with what the parents hold that they are linked to."""
    model = captured.model
    for parent, link in model._meta.parents.items():
        if link is not None and link.model is model:
            found = _of_parent(captured, parent, {row[link.attname] for row in rows})
            rows = [row | found.get(row[link.attname], {}) for row in rows]
    return [_remembered(captured, row) for row in rows]


@contextmanager
def deletion(using: str) -> Iterator[None]:
    """Django deletes children first, unless relations in a circle keep it from knowing how."""
    attributes = connections[using].__dict__
    before = attributes.get(_GONE)
    attributes[_GONE] = {}
    try:
        yield
    finally:
        attributes[_GONE] = before


def _remember(part: Part, rows: list[Values]) -> None:
    gone = connections[database.alias()].__dict__.get(_GONE)
    if gone is not None:
        for row in rows:
            gone[part.captured, part.table, row[part.pk.name]] = row


def _remembered(captured: Captured, row: Values) -> Values:
    """With what those of its parents held that are gone already."""
    gone = connections[database.alias()].__dict__.get(_GONE) or {}
    for parent, link in links(captured.model).items():
        if link.attname in row:
            row = gone.get((captured, parent, row[link.attname]), {}) | row
    return row


def _of_parent(captured: Captured, parent: type[Model], pks: Collection[Any]) -> dict[Any, Values]:
    """What a parent, with its own parents, holds; by its primary key."""
    fields = parent._meta.concrete_fields
    columns = [each for each in captured.payload.columns if each.field in fields]
    rows = read(
        parent,
        [column.field for column in columns],
        by=[parent._meta.pk],
        values=[(pk,) for pk in pks],
    )
    names = [column.name for column in columns]
    values = [
        canonical(parent._meta.label, columns, dict(zip(names, row, strict=True))) for row in rows
    ]
    return {each[parent._meta.pk.attname]: each for each in values}
