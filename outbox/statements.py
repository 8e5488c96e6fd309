"""Statements on followed tables: they return the rows that they wrote.

So what is recorded is what the database holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import DataError
from django.db.models.constants import OnConflict
from django.db.models.sql import Query
from django.db.models.sql.where import WhereNode
from psycopg.pq import PipelineStatus

from outbox import inheritance, saving
from outbox.autocommit import guard
from outbox.buffer import buffer_of
from outbox.columns import AnyField
from outbox.database import require_outbox
from outbox.errors import KeyUnknown
from outbox.payload import Values
from outbox.returning import OLD, Rows
from outbox.spool import SpoolingCursor
from outbox.tables import Table, Write, with_parts
from outbox.transactions import require_transaction
from outbox.unreadable import unreadable

ROWS_PER_FETCH = 1_000

_ALL = 2**31 - 1


def returns_old(connection: Any) -> bool:
    """From version 18 on, PostgreSQL returns what an updated row held before."""
    return bool(connection.pg_version >= 180_000)


class Statement(ABC):
    """A statement on a followed table: it brings back what the followers and Django ask for."""

    rows_per_fetch = ROWS_PER_FETCH
    spools = True
    more: Sequence[str] = ()
    """What else to bring back, in SQL."""
    lock: tuple[str, Sequence[Any]] | None = None
    """A statement that has to come before, in the same transaction."""

    def __init__(self, compiler: Any, table: Table, requested: Sequence[AnyField] = ()) -> None:
        require_outbox(compiler.connection.alias, table.label)
        self.buffer = buffer_of(compiler.connection)  # or it is no PostgreSQL
        self.returned: Rows = []
        self.compiler = compiler
        self.connection = compiler.connection
        self.table = table
        self.returning = table.returning(compiler, requested)
        self._requested = requested

    def run(self) -> int | None:
        """How many rows it wrote; None where Django has nothing to send."""
        try:
            sql, params = self.sql()
        except EmptyResultSet:
            return None
        if not sql:
            return None
        if self.connection.in_atomic_block and not with_parts:
            return self._execute(sql, params)
        with (
            guard(self.connection, self.table.label),
            inheritance.statement(self.connection, self.compiler.query.model),
        ):
            return self._execute(sql, params)

    def _execute(self, sql: str, params: Sequence[Any]) -> int:
        with self.connection.cursor() as cursor:
            if self.lock:
                cursor.execute(*self.lock)
            self.returning.prepare(cursor)
            statement = f"{sql} {self._returning() if self.more else self.returning.clause}"
            if many := self.spools and self._may_be_many():
                cursor.cursor = SpoolingCursor(cursor.cursor, statement)
            cursor.execute(statement, params)
            try:
                require_transaction(self.connection, self.table.label)
                return self._record(cursor, many=many)
            except BaseException as failure:
                self.buffer.spoil(failure)
                raise

    def _record(self, cursor: Any, *, many: bool) -> int:
        """What came back; tells how many rows."""
        count = 0
        while rows := self._fetch(cursor):
            count += len(rows)
            if self._requested:
                self.returned += self.returning.requested(self.compiler, rows)
            self.keep(rows)
            if not many and len(rows) < self.rows_per_fetch:
                break
        return count

    def keep(self, rows: Rows) -> None:
        self.table.written([self._write(row) for row in rows], self.buffer)

    def _may_be_many(self) -> bool:
        """Whether there may be more rows than memory should hold."""
        if saving.of(self.compiler.query.model):
            return False
        return bool(self.connection.connection.pgconn.pipeline_status == PipelineStatus.OFF)

    def _fetch(self, cursor: Any) -> Rows:
        try:
            with self.connection.wrap_database_errors:
                rows: Rows = cursor.cursor.fetchmany(self.rows_per_fetch)
        except DataError as exc:
            fields = [*self.returning.fields, *self.returning.followed]
            raise unreadable(cursor, fields, exc) from exc
        return rows

    def _returning(self) -> str:
        old = f"WITH (OLD AS {OLD}) " if returns_old(self.connection) else ""
        return f"RETURNING {old}" + ", ".join([self.returning.sql, *self.more])

    @property
    def name(self) -> str:
        """The table's, quoted."""
        return self.returning.table

    def quote(self, name: str | None) -> str:
        quoted: str = self.connection.ops.quote_name(name)
        return quoted

    def _write(self, row: Sequence[Any]) -> Write:
        return self.write(self.table.values(row), row[self.returning.width :])

    def sql(self) -> tuple[str, Sequence[Any]]:
        """Django's statement, without what it returns."""
        sql, params = self.compiler.as_sql()
        return sql, params

    @abstractmethod
    def write(self, values: Values, more: Sequence[Any]) -> Write:
        """What happened to one row."""


class Insert(Statement):
    """One or many rows; of an upsert, some are updated."""

    spools = False  # memory holds their instances already

    def __init__(self, compiler: Any, table: Table, requested: Sequence[AnyField] = ()) -> None:
        super().__init__(compiler, table, requested)
        self._upserts = compiler.query.on_conflict is OnConflict.UPDATE
        if self._upserts:
            self._returns_old = returns_old(self.connection)
            # Before version 18: a row that was there was locked, and bears the mark.
            self.more = self.returning.old if self._returns_old else (f"{self.name}.xmax <> 0",)
            self._require_keys()

    def sql(self) -> tuple[str, Sequence[Any]]:
        ((sql, params),) = self.compiler.as_sql()
        return sql, params

    def keep(self, rows: Rows) -> None:
        if self._upserts:
            super().keep(rows)
            return
        if self.returning.has_more:  # an event that waits would hold it as long
            rows = [row[: len(self.returning.followed)] for row in rows]
        self.table.created(rows, self.buffer)

    def _require_keys(self) -> None:
        if self.table.moves(self.compiler.query.update_fields):
            self.rows_per_fetch = _ALL
            if not self._returns_old:
                raise KeyUnknown(
                    f"{self.table.label}: before PostgreSQL 18 nothing tells which key a row had "
                    "that bulk_create(update_conflicts=True) gives another; leave the key out of "
                    "update_fields, or use update()"
                )

    def write(self, values: Values, more: Sequence[Any]) -> Write:
        if not self._upserts or more[0] is None or (not self._returns_old and not more[0]):
            return Write("create", None, values)
        return Write("update", self.table.values(more) if self._returns_old else None, values)


class Update(Statement):
    """Rows that are there. PostgreSQL returns what they held; before version 18, a join does."""

    def __init__(self, compiler: Any, table: Table, requested: Sequence[AnyField] = ()) -> None:
        super().__init__(compiler, table, requested)
        self._assigned = [field for field, _, _ in compiler.query.values]
        self._joins = not returns_old(self.connection) and table.needs_before(self._assigned)
        if table.moves(self._assigned):
            # One row may take the key that another leaves.
            self.rows_per_fetch, self.spools = _ALL, False
        if self._joins:
            self.more = [_old(index) for index in range(len(self.returning.followed))]
        elif returns_old(self.connection):
            self.more = self.returning.old

    def sql(self) -> tuple[str, Sequence[Any]]:
        if not self._joins:
            return super().sql()
        self.compiler.pre_sql_setup()
        condition, condition_params = self._condition()
        # The join finds a row by its primary key, which another transaction may be changing.
        self.lock = f"SELECT FROM {self.name}{condition} FOR UPDATE", condition_params
        sql, params = self._without_where()
        old = ", ".join(
            f"{self.name}.{self.quote(field.column)} AS {OLD}_{index}"
            for index, field in enumerate(self.returning.followed)
        )
        before = f"SELECT {old} FROM {self.name}{condition} FOR NO KEY UPDATE"  # noqa: S608
        sql += f" FROM ({before}) {OLD} WHERE {self._same()}"
        return sql, (*params, *condition_params)

    def _condition(self) -> tuple[str, Sequence[Any]]:
        query = Query(self.compiler.query.model)
        compiler = query.get_compiler(connection=self.connection)
        try:
            sql, params = compiler.compile(self.compiler.query.where)
        except FullResultSet:
            return "", ()
        return f" WHERE {sql}", params

    def _without_where(self) -> tuple[str, Sequence[Any]]:
        compiler, query = self.compiler, self.compiler.query
        where, query.where = query.where, WhereNode()
        compiler.pre_sql_setup = lambda: None  # it was, and looks at the condition
        try:
            sql, params = compiler.as_sql()
            return sql, params
        finally:
            query.where = where
            del compiler.pre_sql_setup

    def _same(self) -> str:
        followed = [field.column for field in self.returning.followed]
        pk = [field.column for field in self.compiler.query.get_meta().pk_fields]
        return " AND ".join(
            f"{self.name}.{self.quote(column)} = {_old(followed.index(column))}" for column in pk
        )

    def keep(self, rows: Rows) -> None:
        if not self.more:
            super().keep(rows)
            return
        columns, old_at = len(self.returning.followed), self.returning.width
        self.table.updated([(row[old_at:], row[:columns]) for row in rows], self.buffer)

    def write(self, values: Values, more: Sequence[Any]) -> Write:
        return Write("update", None, values)


class Delete(Statement):
    """Rows that are gone."""

    def write(self, values: Values, more: Sequence[Any]) -> Write:
        return Write("delete", values, None)


def _old(index: int) -> str:
    # No name of theirs is like it: an expression of the user's may name a column without table.
    return f"{OLD}.{OLD}_{index}"
