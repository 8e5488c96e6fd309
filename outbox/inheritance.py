"""Captured children by multi-table inheritance: a row in several tables, a change in several
statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Model

from outbox import saving, tables
from outbox.autocommit import guard
from outbox.buffer import Buffer
from outbox.columns import AnyField
from outbox.payload import Column, Values, canonical, read, rows_of
from outbox.record import recording
from outbox.tables import Write

if TYPE_CHECKING:
    from outbox.captured import Captured

ROWS_PER_QUERY = 1_000

_change: ContextVar[Change | None] = ContextVar("outbox_change", default=None)


def parents_of(model: type[Model]) -> list[type[Model]]:
    """The models whose tables hold the rest of each row."""
    return list(model._meta.all_parents)


def follow(captured: Captured) -> None:
    """Let a captured child see what happens to its own table and to those of its parents."""
    for model in (captured.model, *parents_of(captured.model)):
        tables.follow(model, Part(captured, model))


def operation(using: str, model: type[Model]) -> AbstractContextManager[object]:
    """A write by Django of one or more statements, which are one change of a captured child."""
    if any(table.has_parts for table in tables.tables_of(model)):
        return _settling(using, model._meta.label)
    return nullcontext()


def statement(using: str, model: type[Model]) -> AbstractContextManager[object]:
    """A part of the operation that is under way, or one that stands alone."""
    return nullcontext() if _change.get() else operation(using, model)


@contextmanager
def _settling(using: str, label: str) -> Iterator[None]:
    change = Change()
    with guard(using, label):
        token = _change.set(change)
        try:
            yield
        finally:
            _change.reset(token)
        change.settle()


@dataclass(eq=False)
class Part:
    """What one table holds of the rows of a captured child."""

    captured: Captured
    table: type[Model]
    is_part = True

    @property
    def model(self) -> type[Model]:
        return self.captured.model

    @property
    def columns(self) -> tuple[Column, ...]:
        local = self.table._meta.local_concrete_fields
        return tuple(each for each in self.captured.payload.columns if each.field in local)

    def needs_before(self, assigned: Collection[AnyField]) -> bool:
        return self.captured.needs_before(assigned)

    @property
    def pk(self) -> Column:
        return next(each for each in self.columns if each.field is self.table._meta.pk)

    def written(self, writes: Sequence[Write], buffer: Buffer) -> None:
        gone = [write.before for write in writes if write.op == "delete" and write.before]
        if gone and self.table is self.model:
            # A child goes before its parents, which still hold the rest of it.
            self.captured.written([Write("delete", row, None) for row in self._whole(gone)], buffer)
        if change := _change.get():
            for write in writes:
                change.add(self, write)

    def _whole(self, rows: list[Values]) -> list[Values]:
        for parent, link in self.table._meta.parents.items():
            if link is not None:
                found = self._read(parent, [row[link.attname] for row in rows])
                rows = [row | found[row[link.attname]] for row in rows]
        return rows

    def _read(self, parent: type[Model], pks: list[Any]) -> dict[Any, Values]:
        """What a parent, with its own parents, holds; by its primary key."""
        fields = parent._meta.concrete_fields
        columns = [each for each in self.captured.payload.columns if each.field in fields]
        rows = read(rows_of(parent).filter(pk__in=pks), columns)
        values = [canonical(parent._meta.label, columns, row) for row in rows]
        return {each[parent._meta.pk.attname]: each for each in values}


class Change:
    """The rows of captured children that one operation writes, in whatever tables."""

    def __init__(self) -> None:
        self._writes: defaultdict[Captured, dict[Part, dict[Any, Write]]] = defaultdict(dict)

    def add(self, part: Part, write: Write) -> None:
        """Note a row of a part; the whole of it is read when the operation ends."""
        if write.op == "delete":
            return
        if write.op == "create" and part.table is not part.model and not saving.is_raw():
            return  # the child itself comes next
        self._writes[part.captured].setdefault(part, {})[(write.after or {})[part.pk.name]] = write

    def settle(self) -> None:
        """Record the rows as they are now."""
        for captured, parts in self._writes.items():
            with recording(captured.label) as buffer:
                for values in _rows(captured, parts):
                    captured.written([_whole(values, parts)], buffer)


def _rows(captured: Captured, parts: dict[Part, dict[Any, Write]]) -> list[Values]:
    """The children that these parts belong to, each once."""
    found: list[Values] = []
    # Other transactions may be writing the other tables of the same row.
    rows = rows_of(captured.model).select_for_update(no_key=True)
    for part, writes in parts.items():
        missing = list(writes.keys() - {values[part.pk.name] for values in found})
        for start in range(0, len(missing), ROWS_PER_QUERY):
            lookup = {f"{part.pk.field.name}__in": missing[start : start + ROWS_PER_QUERY]}
            found += captured.payload.of_rows(rows.filter(**lookup))
    return found


def _whole(values: Values, parts: dict[Part, dict[Any, Write]]) -> Write:
    """What happened to a child, out of what happened to its parts."""
    writes = {part: rows.get(values[part.pk.name]) for part, rows in parts.items()}
    known = {part: write for part, write in writes.items() if write}
    created = any(write.op == "create" for write in known.values())
    old = [write.before for write in known.values() if write.before]
    before = {**values, **{k: v for each in old for k, v in each.items()}} if old else None
    return Write("create" if created else "update", before, values)
