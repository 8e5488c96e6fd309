"""The statement that writes events, INSERT or COPY, and what its failures become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from psycopg.pq import Escaping, PipelineStatus

from outbox import conf
from outbox.errors import FlushFailed
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
_TYPES = ("bytea", "text", "bytea", "text", "int4", "text", "bytea", "bytea")
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
            cursor.execute(_statement(connection, rows) + commit)
        else:
            with connection.wrap_database_errors:
                _copy(cursor, rows)


def _statement(connection: Any, rows: Iterable[Recorded]) -> str:
    # Adapting each value costs psycopg more time than the database needs for the row.
    raw = connection.connection
    quote = _quote(Escaping(raw.pgconn).escape_literal, raw.info.encoding)
    return _INSERT + ", ".join([_literals(row, quote) for row in rows])


def _quote(escape: Callable[[bytes], bytes], encoding: str) -> Callable[[str], str]:
    # Read in another encoding than the connection's, a text may hide a quote from the escaping.
    return lambda text: escape(text.encode(encoding)).decode(encoding)


def _literals(row: Recorded, quote: Callable[[str], str]) -> str:
    """The values of a row; topics and types have nothing to escape."""
    subject = "NULL" if row.subject is None else quote(row.subject)
    return (
        f"('{row.raw_id.hex()}', '{row.topic}', {_bytea(row.key)}, '{row.type}', {row.version}, "
        f"{subject}, {_bytea(row.value)}, {_bytea(row.headers)})"
    )


def _bytea(data: bytes | None) -> str:
    # In this form a backslash is one, whatever standard_conforming_strings says.
    return "NULL" if data is None else rf"E'\\x{data.hex()}'"


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
        if getattr(exc.__cause__, "sqlstate", None) == _UNDEFINED_TABLE and _NAME in str(exc):
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
