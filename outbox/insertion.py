"""The statement that writes events, INSERT or COPY, and what its failures become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError

from outbox import conf
from outbox.errors import FlushFailed
from outbox.recorded import COLUMNS, Recorded

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

COPIED_FROM = 20
"""Rows of a statement from which on COPY takes less time than INSERT."""

_UNDEFINED_TABLE = "42P01"
_TABLE = f"outbox_event ({', '.join(COLUMNS)})"
_INSERT = f"INSERT INTO {_TABLE} VALUES "  # noqa: S608
_VALUES = f"({', '.join(['%s'] * len(COLUMNS))})"
_COPY = f"COPY {_TABLE} FROM STDIN (FORMAT BINARY)"
_TYPES = ("uuid", "text", "bytea", "text", "int4", "text", "bytea", "bytea")
_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"


def insert(connection: BaseDatabaseWrapper, rows: Sequence[Recorded]) -> None:
    """Write rows in their order, in which their ids rise."""
    with connection.cursor() as cursor:
        if conf.current().strict_key_order:
            cursor.execute(_LOCK, [_locks(rows)])
        if len(rows) < COPIED_FROM:
            statement = _INSERT + ", ".join([_VALUES] * len(rows))
            cursor.execute(statement, [value for row in rows for value in row])
        else:
            with connection.wrap_database_errors:
                _copy(cursor, rows)


def _copy(cursor: Any, rows: Iterable[Recorded]) -> None:
    with cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)


def _locks(rows: Iterable[Recorded]) -> list[int]:
    """One number for each key, in an order that is the same for all: none waits for another."""
    return sorted({_lock(row) for row in rows})


def _lock(row: Recorded) -> int:
    digest = blake2b(b"%s\0%s" % (row.topic.encode(), row.key), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


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
