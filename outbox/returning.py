"""What a statement brings back: the columns of its rows, in SQL and out of what was returned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outbox import moments
from outbox.columns import AnyField
from outbox.payload import Column

OLD = "outbox_old"
"""What rows were called before the statement; a table may be called "old" as well."""

Rows = list[tuple[Any, ...]]


class Returning:
    """First what the followers of a table need, then what Django asks for itself."""

    def __init__(self, compiler: Any, columns: Sequence[Column], requested: Sequence[AnyField]):
        quote = compiler.connection.ops.quote_name
        self.table: str = quote(compiler.query.get_meta().db_table)
        self.followed = [column.field for column in columns]
        fields = self.fields = list(dict.fromkeys([*self.followed, *requested]))
        self.width = len(fields)
        self.has_more = self.width > len(self.followed)
        self.sql = ", ".join(f"{self.table}.{quote(field.column)}" for field in fields)
        self.clause = f"RETURNING {self.sql}"
        self.old = [f"{OLD}.{quote(field.column)}" for field in self.followed]
        self._requested = [fields.index(field) for field in requested]
        self._converters = _converters(compiler, requested)
        self._load_moments = moments.loading(compiler.connection, self.followed, requested)

    def prepare(self, cursor: Any) -> None:
        """Let the cursor load what comes back as the rows hold it."""
        if self._load_moments:
            self._load_moments(cursor)

    def requested(self, compiler: Any, rows: Rows) -> Rows:
        """What Django asked for, as it would have converted it."""
        found = [tuple(map(row.__getitem__, self._requested)) for row in rows]
        if self._converters:
            found = [tuple(row) for row in compiler.apply_converters(found, self._converters)]
        return found


def _converters(compiler: Any, requested: Sequence[AnyField]) -> Any:
    table = compiler.query.get_meta().db_table
    return compiler.get_converters([field.get_col(table) for field in requested])
