"""Statements that write, and the rows that they wrote.

Whatever Django's ORM writes, be it an instance, a bulk, a related manager, a cascade or a column
set to null, becomes one of three kinds of statement. Those that write a followed table return the
rows, so what is recorded is what the database holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import wraps
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.db.models.constants import OnConflict
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLDeleteCompiler, SQLInsertCompiler, SQLUpdateCompiler
from django.db.models.sql.constants import ROW_COUNT
from django.db.models.sql.where import WhereNode

from outbox import inheritance, saving
from outbox.autocommit import guard
from outbox.columns import AnyField
from outbox.database import require_outbox
from outbox.payload import Values
from outbox.record import recording
from outbox.tables import Table, Write, table_of

ROWS_PER_FETCH = 1_000

_JOINED = "outbox_old"

Method = Callable[..., Any]
Rows = list[tuple[Any, ...]]


def returns_old(connection: Any) -> bool:
    """From version 18 on, PostgreSQL returns what an updated row held before."""
    return bool(connection.pg_version >= 180_000)


def install() -> None:
    """Stand before the compilers of statements that write; idempotent."""
    for cls, name, around in _METHODS:
        method = getattr(cls, name, None)
        if method is not None and not hasattr(method, "__wrapped__"):
            setattr(cls, name, wraps(method)(around(method)))


def uninstall() -> None:
    """Leave Django as it was; for tests."""
    for cls, name, _ in _METHODS:
        method = getattr(cls, name, None)
        if original := getattr(method, "__wrapped__", None):
            setattr(cls, name, original)


class _Statement:
    """A statement on a followed table: it brings back what the followers and Django ask for."""

    def __init__(self, compiler: Any, table: Table, requested: Collection[AnyField] = ()) -> None:
        self.returned: Rows = []
        self.compiler = compiler
        self.table = table
        self.followed = [column.field for column in table.columns]
        self._requested = requested
        # What the followers need comes first, in the order of the table's columns.
        self._fields = list(dict.fromkeys([*self.followed, *requested]))

    def run(self) -> int | None:
        """How many rows it wrote; None where Django has nothing to send."""
        connection, label = self.compiler.connection, self.table.label
        require_outbox(connection.alias, label)
        with (
            guard(connection.alias, label),
            inheritance.statement(connection.alias, self.compiler.query.model),
        ):
            try:
                sql, params = self.sql()
            except EmptyResultSet:
                return None
            return self._execute(sql, params) if sql else None

    def _execute(self, sql: str, params: Sequence[Any]) -> int:
        with self.compiler.connection.cursor() as cursor:
            cursor.execute(f"{sql} RETURNING {self._clause()}", params)
            with recording(self.table.label) as buffer:
                for rows in iter(lambda: cursor.fetchmany(ROWS_PER_FETCH), []):
                    if self._requested:
                        self._put_aside(rows)
                    self.table.written([self._write(row) for row in rows], buffer)
            count: int = cursor.rowcount
            return count

    def _clause(self) -> str:
        found = [f"{self.name}.{self.quote(field.column)}" for field in self._fields]
        return ", ".join([*found, *self.more()])

    def columns_of(self, row: str) -> list[str]:
        """What the followers need of a row that the statement knows by another name."""
        return [f"{row}.{self.quote(field.column)}" for field in self.followed]

    @property
    def name(self) -> str:
        """The table's, quoted."""
        return self.quote(self.compiler.query.get_meta().db_table)

    def quote(self, name: str | None) -> str:
        quoted: str = self.compiler.connection.ops.quote_name(name)
        return quoted

    def _put_aside(self, rows: Rows) -> None:
        """What Django asked for itself, as it would have converted it."""
        compiler, table = self.compiler, self.compiler.query.get_meta().db_table
        wanted = [self._fields.index(field) for field in self._requested]
        found: Any = [[row[index] for index in wanted] for row in rows]
        converters = compiler.get_converters([field.get_col(table) for field in self._requested])
        self.returned += map(tuple, compiler.apply_converters(found, converters))

    def _write(self, row: Sequence[Any]) -> Write:
        return self.write(self.table.values(row), row[len(self._fields) :])

    def sql(self) -> tuple[str, Sequence[Any]]:
        """Django's statement, without what it returns."""
        sql, params = self.compiler.as_sql()
        return sql, params

    def more(self) -> Sequence[str]:
        """What else to bring back, in SQL."""
        return ()

    def write(self, values: Values, more: Sequence[Any]) -> Write:
        """What happened to one row."""
        raise NotImplementedError


class _Insert(_Statement):
    """One or many rows; of an upsert, some are updated."""

    def sql(self) -> tuple[str, Sequence[Any]]:
        ((sql, params),) = self.compiler.as_sql()
        return sql, params

    def more(self) -> Sequence[str]:
        if self.compiler.query.on_conflict is not OnConflict.UPDATE:
            return ()
        if returns_old(self.compiler.connection):
            return self.columns_of("OLD")
        # A row that was there was locked, and bears the mark.
        return (f"{self.name}.xmax = 0",)

    def write(self, values: Values, more: Sequence[Any]) -> Write:
        if len(more) > 1 and more[0] is not None:
            return Write("update", self.table.values(more), values)
        return Write("update" if more == (False,) else "create", None, values)


class _Update(_Statement):
    """Rows that are there, joined with what they held if somebody has to know."""

    def __init__(self, compiler: Any, table: Table, requested: Collection[AnyField] = ()) -> None:
        super().__init__(compiler, table, requested)
        self._old = self._name_of_old()

    def _name_of_old(self) -> str | None:
        """By which name the statement knows the row as it was; None where it does not."""
        if returns_old(self.compiler.connection):
            return "OLD"
        assigned = [field for field, _, _ in self.compiler.query.values]
        return _JOINED if self.table.needs_before(assigned) else None

    def sql(self) -> tuple[str, Sequence[Any]]:
        if self._old != _JOINED:
            return super().sql()
        self.compiler.pre_sql_setup()
        before, before_params = self._before()
        sql, params = self._without_where()
        pk = [self.quote(field.column) for field in self.compiler.query.get_meta().pk_fields]
        same = " AND ".join(f"{self.name}.{column} = {_JOINED}.{column}" for column in pk)
        return f"{sql} FROM ({before}) {_JOINED} WHERE {same}", (*params, *before_params)

    def _before(self) -> tuple[str, Sequence[Any]]:
        """The rows as they are, locked so that they stay so until they are updated."""
        query = self.compiler.query.chain(klass=Query)
        rows: QuerySet[Any, Any] = QuerySet(query.model, query, self.compiler.connection.alias)
        names = [field.attname for field in self.followed]
        query = rows.order_by().select_for_update(no_key=True).values_list(*names).query
        sql, params = query.get_compiler(connection=self.compiler.connection).as_sql()
        return sql, params

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

    def more(self) -> Sequence[str]:
        return self.columns_of(self._old) if self._old else ()

    def write(self, values: Values, more: Sequence[Any]) -> Write:
        return Write("update", self.table.values(more) if more else None, values)


class _Delete(_Statement):
    """Rows that are gone."""

    def write(self, values: Values, more: Sequence[Any]) -> Write:
        return Write("delete", values, None)


def _table_of(compiler: Any) -> Table | None:
    return table_of(compiler.query.model, sender=saving.sender(), raw=saving.is_raw())


def _insert(execute: Method) -> Method:
    def execute_sql(self: Any, returning_fields: Sequence[AnyField] | None = None) -> Rows:
        table = _table_of(self)
        if table is None:
            rows: Rows = execute(self, returning_fields)
            return rows
        self.returning_fields = None  # the clause is ours
        statement = _Insert(self, table, returning_fields or ())
        statement.run()
        return statement.returned

    return execute_sql


def _update(execute: Method) -> Method:
    def execute_sql(self: Any, result_type: str) -> int | None:
        table = _table_of(self)
        if table is None:
            count: int | None = execute(self, result_type)
            return count
        with inheritance.statement(self.connection.alias, self.query.model):
            count = _Update(self, table).run()
            for query in self.query.get_related_updates():
                related = query.get_compiler(self.using).execute_sql(result_type)
                count = related if count is None else count
        return count or 0

    return execute_sql


def _update_returning(execute: Method) -> Method:
    def execute_returning_sql(self: Any, returning_fields: Sequence[AnyField]) -> Rows:
        table = _table_of(self)
        if table is None or not returning_fields or self.query.get_related_updates():
            rows: Rows = execute(self, returning_fields)
            return rows
        statement = _Update(self, table, returning_fields)
        statement.run()
        return statement.returned

    return execute_returning_sql


def _delete(execute: Method) -> Method:
    def execute_sql(self: Any, result_type: str = ROW_COUNT, **options: Any) -> Any:
        table = _table_of(self)
        if table is None or result_type != ROW_COUNT:
            return execute(self, result_type, **options)
        return _Delete(self, table).run() or 0

    return execute_sql


_METHODS: tuple[tuple[type, str, Callable[[Method], Method]], ...] = (
    (SQLInsertCompiler, "execute_sql", _insert),
    (SQLUpdateCompiler, "execute_sql", _update),
    (SQLUpdateCompiler, "execute_returning_sql", _update_returning),
    (SQLDeleteCompiler, "execute_sql", _delete),
)
