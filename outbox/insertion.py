"""The statement that writes events, INSERT or COPY, and what its failures become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NoReturn

from django.db import DatabaseError
from psycopg.pq import PipelineStatus

from outbox import conf
from outbox.binary import messages
from outbox.errors import FlushFailed
from outbox.literals import literals
from outbox.recorded import COLUMNS, Recorded

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

COPIED_FROM = 20
"""Rows of a statement from which on COPY takes less time than INSERT."""

OWN_WRAPPERS: set[Callable[..., Any]] = set()
"""Wrappers of execute() that do nothing once the events are written."""

_UNDEFINED_TABLE = "42P01"
_NAME = "outbox_event"
_TABLE = f"{_NAME} ({', '.join(COLUMNS)})"
_INSERT = f"INSERT INTO {_TABLE} VALUES "  # noqa: S608
_COPY = f"COPY {_TABLE} FROM STDIN (FORMAT BINARY)"
_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"


def insert(
    connection: BaseDatabaseWrapper, rows: Sequence[Recorded], *, commits: bool = False
) -> None:
    """Write rows in their order, in which their ids rise.

    With `commits`, in the same round trip as the COMMIT where that can be: psycopg's own then
    finds nothing left to do.
    """
    with connection.cursor() as cursor:
        if conf.current().strict_key_order:
            cursor.execute(_LOCK, [_locks(rows)])
        if len(rows) < COPIED_FROM or _is_pipelined(connection):
            commit = "; COMMIT" if commits and _takes_commit(connection) else ""
            values = ", ".join([literals(row, connection.connection) for row in rows])
            cursor.execute(_INSERT + values + commit)
        else:
            with connection.wrap_database_errors:
                _copy(cursor, rows)


def takes_several(connection: Any) -> bool:
    """Whether one string may hold several statements."""
    return not (connection.features.uses_server_side_binding or _is_pipelined(connection))


def _takes_commit(connection: Any) -> bool:
    """Whether the COMMIT may come in the same string.

    Not where a string takes one statement only, a wrapper may fail after it, or psycopg refuses it.
    """
    return (
        takes_several(connection)
        and OWN_WRAPPERS.issuperset(connection.execute_wrappers)
        and not _refuses_commit(connection.connection)
    )


def _refuses_commit(raw: Any) -> bool:
    """Inside a transaction() of psycopg's own, or one of two phases."""
    return bool(raw._num_transactions or raw._tpc)


def _is_pipelined(connection: Any) -> bool:
    return bool(connection.connection.pgconn.pipeline_status != PipelineStatus.OFF)


def _copy(cursor: Any, rows: Iterable[Recorded]) -> None:
    with cursor.copy(_COPY) as copy:
        for message in messages(rows, encoding=cursor.connection.info.encoding):
            copy.write(message)


def _locks(rows: Iterable[Recorded]) -> list[int]:
    """One number for each key, in an order that is the same for all: none waits for another."""
    return sorted({_lock(row) for row in rows})


def _lock(row: Recorded) -> int:
    digest = blake2b(b"%s\0%s" % (row.topic.encode(), row.key), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def raise_database_error(connection: BaseDatabaseWrapper, failure: BaseException) -> NoReturn:
    """Nothing else than a DatabaseError: for it alone, Django ends the transaction."""
    if not isinstance(failure, Exception):
        connection.close()
        raise failure
    if _lacks_table(failure):
        raise FlushFailed(
            f"database {connection.alias!r} has no table outbox_event; run manage.py migrate"
        ) from failure
    if isinstance(failure, DatabaseError):
        raise failure
    raise FlushFailed(
        f"the events of this transaction could not be written: {type(failure).__name__}: {failure}"
    ) from failure


def _lacks_table(failure: Exception) -> bool:
    sqlstate = getattr(failure.__cause__, "sqlstate", None)
    return sqlstate == _UNDEFINED_TABLE and _NAME in str(failure)
