"""Which tables are followed, and by whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import starmap
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from django.apps import apps
from django.db.models import Model

from outbox import conf
from outbox.buffer import Buffer
from outbox.columns import AnyField
from outbox.payload import Column, Values, canonical
from outbox.reading import Row
from outbox.returning import Returning
from outbox.suppression import is_anything_suppressed, is_suppressed

if TYPE_CHECKING:
    from outbox.deferral import Deferral

Op = Literal["create", "update", "delete"]


class Write(NamedTuple):
    """What a statement did to one row; values are keyed by column, None where not known."""

    op: Op
    before: Values | None
    after: Values | None


class Follower(Protocol):
    """Records what statements do to the rows of a table."""

    @property
    def capture(self) -> object:
        """Which capture it is a part of."""

    @property
    def models(self) -> Collection[type[Model]]:
        """Those by any of which `suppress` silences it."""

    @property
    def is_part(self) -> bool:
        """Whether a row of this table is but a part of a row of the model."""

    @property
    def columns(self) -> Iterable[Column]:
        """What it has to know of a row: columns of this table, the primary key among them."""

    def moves(self, assigned: Collection[AnyField]) -> bool:
        """Whether an update of these columns may change the key by which a row goes."""

    def needs_before(self, assigned: Collection[AnyField]) -> bool:
        """Whether an update of these columns must say what they held."""

    @property
    def deferral(self) -> Deferral | None:
        """What makes its events later, row by row; None where it cannot wait."""

    def written(self, writes: Sequence[Write], buffer: Buffer) -> None:
        """Record what happened to some rows, in this order."""


class Table:
    """A table with those who follow it."""

    def __init__(self, model: type[Model], followers: Sequence[Follower]) -> None:
        self.label = model._meta.label
        self._model = model
        self.followers = followers
        self._moves: dict[tuple[str | None, ...], bool] = {}
        self._returning: dict[tuple[AnyField, ...], Returning] = {}

    def active(self, sender: type[Model], *, raw: bool = False) -> Table | None:
        """What is left of it for a write now, under `suppress` and OUTBOX_CAPTURE_RAW."""
        if raw and not conf.current().capture_raw:
            return None
        if not is_anything_suppressed():
            return self
        if sender._meta.proxy and is_suppressed(sender):
            return None
        loud = [each for each in self.followers if not any(map(is_suppressed, each.models))]
        if len(loud) == len(self.followers):
            return self
        return Table(self._model, loud) if loud else None

    @cached_property
    def has_parts(self) -> bool:
        return any(each.is_part for each in self.followers)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        columns = (column for each in self.followers for column in each.columns)
        return tuple({column.field: column for column in columns}.values())

    def moves(self, assigned: Collection[AnyField]) -> bool:
        columns = tuple([field.column for field in assigned])
        if columns not in self._moves:
            self._moves[columns] = any(each.moves(assigned) for each in self.followers)
        return self._moves[columns]

    def needs_before(self, assigned: Collection[AnyField]) -> bool:
        return any(each.needs_before(assigned) for each in self.followers)

    def returning(self, compiler: Any, requested: Sequence[AnyField]) -> Returning:
        """What a statement brings back for the followers, and for Django."""
        key = tuple(requested)
        found = self._returning.get(key)
        if found is None:
            found = self._returning[key] = Returning(compiler, self.columns, key)
        return found

    @cached_property
    def _deferral(self) -> Deferral | None:
        """Where nobody else has to be told first."""
        return self.followers[0].deferral if len(self.followers) == 1 else None

    @cached_property
    def _names(self) -> list[str]:
        return [column.name for column in self.columns]

    @cached_property
    def _converted(self) -> list[Column]:
        return [column for column in self.columns if column.convert]

    def values(self, row: Iterable[Any]) -> Values:
        """Of the columns; a row may have more."""
        return canonical(self.label, self._converted, dict(zip(self._names, row, strict=False)))

    def created(self, rows: Sequence[Row], buffer: Buffer) -> None:
        """Rows of a statement that are new, of the columns alone."""
        deferral = self._deferral
        if deferral is None:
            self.written([self._create(row) for row in rows], buffer)
            return
        for row in rows:
            entry = deferral.created(row)
            if entry is None:
                self.written([self._create(row)], buffer)
            else:
                buffer.append(entry)

    def _create(self, row: Row) -> Write:
        return Write("create", None, self.values(row))

    def updated(self, rows: Sequence[tuple[Row, Row]], buffer: Buffer) -> None:
        """Rows before and after, of the columns alone."""
        deferral = self._deferral
        # One row may take the key that another leaves: they are looked at together.
        if deferral is None or any(starmap(deferral.moved, rows)):
            self.written([self._update(*row) for row in rows], buffer)
            return
        for row in rows:
            entry = deferral.updated(*row)
            if entry is None:
                self.written([self._update(*row)], buffer)
            else:
                buffer.append(entry)

    def _update(self, before: Row, after: Row) -> Write:
        return Write("update", self.values(before), self.values(after))

    def written(self, writes: Sequence[Write], buffer: Buffer) -> None:
        for each in self.followers:
            each.written(writes, buffer)


with_parts: set[str] = set()
"""Names of the tables that are followed and whose rows are but parts of others."""

_tables: dict[str, Table] = {}
_models: dict[type[Model], str] = {}


def follow(model: type[Model], follower: Follower) -> None:
    """Let a follower see what happens to the table of a model; idempotent."""
    _models[model] = model._meta.db_table
    if follower not in _followers(model):
        _set(model, [*_followers(model), follower])


def unfollow(capture: object) -> None:
    """Let the followers of a capture see nothing any longer."""
    for model in list(_models):
        _set(model, [each for each in _followers(model) if each.capture is not capture])


def is_followed(model: type[Model]) -> bool:
    """Whether anybody follows the table of a model, be it active now or not."""
    return model._meta.db_table in _tables


def table_of(
    model: type[Model], *, sender: type[Model] | None = None, raw: bool = False
) -> Table | None:
    """The table of a model, if a write to it is to be recorded now.

    `sender` is the class, perhaps a proxy, by which it is written.
    """
    table = followed(model)
    return table and table.active(sender or model, raw=raw)


def followed(model: type[Model]) -> Table | None:
    """The table of a model, if anybody follows it, be it active now or not."""
    meta = model._meta
    table = _tables.get(meta.db_table)
    if table is None or (meta.apps is not apps and meta.concrete_model not in _models):
        return None  # a historical model of a migration is not what is captured
    return table


def tables_of(model: type[Model], *, raw: bool = False) -> list[Table]:
    """Those of a model and of its parents that are to be recorded now."""
    if not _tables:
        return []
    tables = (table_of(each, sender=model, raw=raw) for each in (model, *model._meta.all_parents))
    return [table for table in tables if table]


def has_parts(model: type[Model]) -> bool:
    """Whether a row of a model is now recorded as a part of another's."""
    return bool(with_parts) and any(table.has_parts for table in tables_of(model))


def _followers(model: type[Model]) -> list[Follower]:
    table = _tables.get(model._meta.db_table)
    return list(table.followers) if table else []


def _set(model: type[Model], followers: list[Follower]) -> None:
    name = model._meta.db_table
    with_parts.discard(name)
    if followers:
        table = _tables[name] = Table(model, followers)
        with_parts.update([name] if table.has_parts else [])
    else:
        _tables.pop(name, None)
        del _models[model]
