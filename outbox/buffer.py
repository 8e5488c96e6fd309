"""The events of the transaction that is open on a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from django.db import DatabaseError

from outbox import installation
from outbox.database import in_transaction
from outbox.errors import FlushFailed, UnsupportedDatabase
from outbox.recorded import COLUMNS, Recorded

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

ROWS_PER_STATEMENT = 1_000

_ATTRIBUTE = "_outbox_buffer"
_UNDEFINED_TABLE = "42P01"
_INSERT = f"INSERT INTO outbox_event ({', '.join(COLUMNS)}) VALUES "  # noqa: S608
_VALUES = f"({', '.join(['%s'] * len(COLUMNS))})"


class Watcher(Protocol):
    """Follows what a connection records; positions count from the transaction's first event."""

    def added(self, row: Recorded, position: int) -> None: ...

    def truncated(self, position: int) -> None: ...

    def committed(self) -> None: ...


class Buffer:
    """Events in the order in which they happened, with marks where savepoints were set.

    It lives as long as Django's connection object, through closing and reopening.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.watchers: list[Watcher] = []
        self._connection = connection
        self._rows: list[Recorded] = []
        self._written = 0
        self._savepoints: list[tuple[str, int]] = []
        self._failure: tuple[BaseException, int] | None = None
        # Savepoints may be open that were set before this buffer could see them.
        self._late = connection.connection is not None and in_transaction(connection)
        self._hook()

    @property
    def position(self) -> int:
        """How many events the open transaction has."""
        return self._written + len(self._rows)

    def append(self, row: Recorded) -> None:
        """Keep an event for the commit; a long transaction writes a full statement right away."""
        for watcher in self.watchers:
            watcher.added(row, self.position)
        self._rows.append(row)
        if len(self._rows) >= ROWS_PER_STATEMENT and self._may_write_early():
            self._write()

    def spoil(self, failure: BaseException) -> None:
        """Make sure that the transaction, or the savepoint it is in, never commits."""
        if not in_transaction(self._connection):
            return
        if self._failure is None:
            self._failure = failure, len(self._savepoints)
        if self._connection.in_atomic_block:
            self._connection.set_rollback(True)
            # Django quotes it as the cause when the transaction is used further.
            setattr(self._connection, "rollback_exc", failure)  # noqa: B010

    def forget(self) -> None:
        """The transaction is gone, and its events with it."""
        self._truncate(0)
        self._end()

    def _may_write_early(self) -> bool:
        # Rows written inside a savepoint would disappear with it, older ones among them.
        return not (
            self._savepoints or self._late or self._failure or self._connection.needs_rollback
        )

    def _truncate(self, position: int) -> None:
        del self._rows[max(0, position - self._written) :]
        for watcher in self.watchers:
            watcher.truncated(position)

    def _end(self) -> None:
        self._rows.clear()
        self._written = 0
        self._savepoints.clear()
        self._failure = None
        self._late = False

    def _write(self) -> None:
        with _database_errors(self._connection):
            if self._failure is not None:
                raise FlushFailed(
                    "an event of this transaction could not be recorded, so the transaction "
                    f"cannot be committed: {self._failure[0]}; roll it back"
                ) from self._failure[0]
            if not installation.is_complete(self._connection):
                self._rows.clear()
            while self._rows:
                self._insert(self._rows[:ROWS_PER_STATEMENT])

    def _insert(self, rows: list[Recorded]) -> None:
        statement = _INSERT + ", ".join([_VALUES] * len(rows))
        with self._connection.cursor() as cursor:
            cursor.execute(statement, [value for row in rows for value in row])
        del self._rows[: len(rows)]
        self._written += len(rows)

    def _hook(self) -> None:
        """Stand before the methods by which this connection, and no other, ends what it began."""
        connection = self._connection
        for name, around in (
            ("_commit", self._around_commit),
            ("_rollback", self._around_end),
            ("_close", self._around_end),
            ("_savepoint", self._around_savepoint),
            ("_savepoint_rollback", self._around_savepoint_rollback),
            ("_savepoint_commit", self._around_savepoint_commit),
        ):
            setattr(connection, name, around(getattr(connection, name)))

    def _around_commit(self, commit: Callable[[], None]) -> Callable[[], None]:
        def flush_and_commit() -> None:
            if self._rows or self._failure:
                self._write()
            commit()
            for watcher in self.watchers:
                watcher.committed()
            self._end()

        return flush_and_commit

    def _around_end(self, end: Callable[[], None]) -> Callable[[], None]:
        def end_and_forget() -> None:
            try:
                end()
            finally:
                self.forget()

        return end_and_forget

    def _around_savepoint(self, savepoint: Callable[[str], None]) -> Callable[[str], None]:
        def mark(sid: str) -> None:
            savepoint(sid)
            self._savepoints.append((sid, self.position))

        return mark

    def _around_savepoint_rollback(self, rollback: Callable[[str], None]) -> Callable[[str], None]:
        def truncate(sid: str) -> None:
            rollback(sid)
            index = self._index(sid)
            self._truncate(0 if index is None else self._savepoints[index][1])
            # The savepoint itself outlives a rollback to it; those set after it do not.
            del self._savepoints[0 if index is None else index + 1 :]
            if self._failure and (index is None or index < self._failure[1]):
                self._failure = None

        return truncate

    def _around_savepoint_commit(self, release: Callable[[str], None]) -> Callable[[str], None]:
        def unmark(sid: str) -> None:
            release(sid)
            index = self._index(sid)
            if index is None:
                return
            del self._savepoints[index:]
            if self._failure:
                self._failure = self._failure[0], min(self._failure[1], index)

        return unmark

    def _index(self, sid: str) -> int | None:
        """Where the youngest savepoint of this name stands; None if it is older than the buffer."""
        for index in range(len(self._savepoints) - 1, -1, -1):
            if self._savepoints[index][0] == sid:
                return index
        return None


def buffer_of(connection: BaseDatabaseWrapper) -> Buffer:
    """The buffer of a connection, made at its first use; UnsupportedDatabase if not PostgreSQL."""
    buffer: Buffer | None = getattr(connection, _ATTRIBUTE, None)
    if buffer is None:
        if connection.vendor != "postgresql":
            raise UnsupportedDatabase.of(connection)
        buffer = Buffer(connection)
        setattr(connection, _ATTRIBUTE, buffer)
    return buffer


@contextmanager
def _database_errors(connection: BaseDatabaseWrapper) -> Iterator[None]:
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
