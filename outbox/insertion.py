"""The statement that writes events, and what its failures become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import DatabaseError

from outbox.errors import FlushFailed
from outbox.recorded import COLUMNS, Recorded

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

_UNDEFINED_TABLE = "42P01"
_INSERT = f"INSERT INTO outbox_event ({', '.join(COLUMNS)}) VALUES "  # noqa: S608
_VALUES = f"({', '.join(['%s'] * len(COLUMNS))})"


def insert(connection: BaseDatabaseWrapper, rows: Sequence[Recorded]) -> None:
    statement = _INSERT + ", ".join([_VALUES] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(statement, [value for row in rows for value in row])


@contextmanager
def database_errors(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let nothing out but DatabaseError: for anything else Django leaves the transaction open."""
    try:
        yield
    except DatabaseError as exc:
        if getattr(exc.__cause__, "sqlstate", None) == _UNDEFINED_TABLE:
            raise FlushFailed(
                f"database {connection.alias!r} has no table outbox_event; run manage.py migrate"
            ) from exc
        raise
    except Exception as exc:
        raise FlushFailed(
            f"the events of this transaction could not be written: {type(exc).__name__}: {exc}"
        ) from exc
    except BaseException:
        connection.close()
        raise
