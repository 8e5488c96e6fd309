"""Django's compilers of statements that write, and ours before them.

Whatever Django's ORM writes, be it an instance, a bulk, a related manager, a cascade or a column
set to null, goes through one of three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.db.models.sql.compiler import SQLDeleteCompiler, SQLInsertCompiler, SQLUpdateCompiler

from outbox import inheritance, saving
from outbox.columns import AnyField
from outbox.patching import Method, is_patched, patch, replaces_others
from outbox.returning import Rows
from outbox.statements import Delete, Insert, Update
from outbox.tables import Table, followed


def install() -> None:
    """Stand before the compilers of statements that write; idempotent."""
    for cls, name, around in _METHODS:
        patch(cls, name, around)


def foreign_compilers(connection: Any) -> list[str]:
    """Those of a connection that others have changed, before us or after."""
    compilers = (connection.ops.compiler(cls.__name__) for cls, _, _ in _METHODS)
    return sorted(
        {
            f"{compiler.__module__}.{compiler.__qualname__}"
            for compiler in compilers
            if not is_patched(compiler.execute_sql) or replaces_others(compiler.execute_sql)
        }
    )


def _table_of(compiler: Any) -> Table | None:
    model = compiler.query.model
    table = followed(model)
    if table is None:
        return None
    save = saving.of(model)
    return table.active(type(save.instance), raw=save.raw) if save else table.active(model)


def _insert(execute: Method) -> Method:
    @wraps(execute)
    def execute_sql(self: Any, returning_fields: Sequence[AnyField] | None = None) -> Rows:
        table = _table_of(self)
        if table is None:
            rows: Rows = execute(self, returning_fields)
            return rows
        statement = Insert(self, table, returning_fields or ())
        statement.run()
        return statement.returned

    return execute_sql


def _update(execute: Method) -> Method:
    @wraps(execute)
    def execute_sql(self: Any, result_type: str) -> int | None:
        table = _table_of(self)
        with inheritance.statement(self.connection, self.query.model):
            if table is None:
                count: int | None = execute(self, result_type)
                return count
            count = Update(self, table).run()
            for query in self.query.get_related_updates():
                related = query.get_compiler(self.using).execute_sql(result_type)
                count = related if count is None else count
        return count or 0

    return execute_sql


def _update_returning(execute: Method) -> Method:
    @wraps(execute)
    def execute_returning_sql(self: Any, returning_fields: Sequence[AnyField]) -> Rows:
        table = _table_of(self)
        if table is None or not returning_fields or self.query.get_related_updates():
            rows: Rows = execute(self, returning_fields)
            return rows
        statement = Update(self, table, returning_fields)
        statement.run()
        return statement.returned

    return execute_returning_sql


def _delete(execute: Method) -> Method:
    if "execute_sql" not in vars(SQLDeleteCompiler):

        def execute(self: Any, *args: Any, **options: Any) -> Any:
            return super(SQLDeleteCompiler, self).execute_sql(*args, **options)

    @wraps(execute)
    def execute_sql(self: Any, *args: Any, **options: Any) -> Any:
        table = _table_of(self)
        if table is None:
            return execute(self, *args, **options)
        return Delete(self, table).run() or 0

    return execute_sql


_METHODS: tuple[tuple[type, str, Callable[[Method], Method]], ...] = (
    (SQLInsertCompiler, "execute_sql", _insert),
    (SQLUpdateCompiler, "execute_sql", _update),
    (SQLUpdateCompiler, "execute_returning_sql", _update_returning),
    (SQLDeleteCompiler, "execute_sql", _delete),
)
