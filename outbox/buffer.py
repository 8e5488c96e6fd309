"""The events of the transaction that is open on a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from django.db import DatabaseError

from outbox import hooks, installation
from outbox.errors import (
    FlushFailed,
    UnknownSavepoint,
    UnsettledTransaction,
    UnsupportedDatabase,
)
from outbox.failure import Failure
from outbox.recorded import COLUMNS, Recorded
from outbox.savepoints import Savepoints
from outbox.transactions import in_transaction

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

ROWS_PER_STATEMENT = 1_000
BYTES_PER_STATEMENT = 16 * 1024 * 1024

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
        self._bytes = 0
        self._written = 0
        self._savepoints = Savepoints()
        self._failure: Failure | None = None
        self._discreet = False
        # Savepoints may be open that were set before this buffer could see them.
        self._late = connection.connection is not None and in_transaction(connection)

    @property
    def position(self) -> int:
        """How many events the open transaction has."""
        return self._written + len(self._rows)

    def append(self, row: Recorded) -> None:
        """Keep an event for the commit; a long transaction writes a full statement right away."""
        for watcher in self.watchers:
            watcher.added(row, self.position)
        self._rows.append(row)
        self._bytes += row.size
        self._write_early()

    def spoil(self, cause: BaseException) -> None:
        """Make sure that the transaction, or the savepoint it is in, never commits."""
        connection = self._connection
        if connection.closed_in_transaction or not in_transaction(connection):
            return
        if self._failure is None:
            self._failure = Failure.of(
                connection, cause, savepoints=len(self._savepoints), quoted=not self._discreet
            )
        if connection.in_atomic_block:
            connection.set_rollback(True)
            # Django quotes it as the cause when the transaction is used further.
            setattr(connection, "rollback_exc", cause)  # noqa: B010

    @contextmanager
    def discreet(self) -> Iterator[None]:
        """What fails inside is reported without its message: it may quote a secret."""
        before, self._discreet = self._discreet, True
        try:
            yield
        finally:
            self._discreet = before

    def flush(self) -> None:
        """Write what waits: the transaction is about to be committed."""
        self._require_success()
        if self._rows:
            self._write(lambda: bool(self._rows))

    def committed(self) -> None:
        for watcher in self.watchers:
            watcher.committed()
        self._end()

    def forget(self) -> None:
        """The transaction is gone, and its events with it."""
        self._drop(0)
        self._end()

    def require_settled(self) -> None:
        """Autocommit begins: what still waits would be committed with another transaction."""
        self._require_success()
        if self._rows:
            raise UnsettledTransaction(
                f"autocommit of database {self._connection.alias!r} cannot be switched on while "
                f"events wait for the commit ({self.position}); call commit() or rollback() first"
            )

    def mark(self, sid: str) -> None:
        """A savepoint was set."""
        self._savepoints.add(sid, self.position)

    def unmark(self, sid: str) -> None:
        """A savepoint was released, and those with it that are younger."""
        index = self._savepoints.index(sid)
        if index is None:
            return
        self._savepoints.keep(index)
        if self._failure:
            self._failure = self._failure.within(index)
        self._write_early()

    def surviving(self, sid: str) -> int:
        """How many savepoints a rollback to this one leaves: itself and those that are older."""
        index = self._savepoints.index(sid)
        if index is not None:
            return index + 1
        if self._late:
            return 0
        if self.position or self._failure:
            raise UnknownSavepoint(
                f"savepoint {sid!r} of database {self._connection.alias!r} was not set through "
                f"Django, so which events of this transaction ({self.position}) are younger is "
                "not known; use transaction.savepoint() or atomic() instead of SAVEPOINT in SQL"
            )
        return len(self._savepoints)

    def truncate(self, savepoints: int) -> None:
        """The transaction was rolled back to the last of so many savepoints."""
        self._drop(self._savepoints.position(savepoints - 1) if savepoints else 0)
        self._savepoints.keep(savepoints)
        if self._failure and savepoints <= self._failure.savepoints:
            self._failure = None

    def report_failure(self, savepoints: int = 0) -> None:
        """A rollback begins that leaves so many savepoints."""
        if self._failure and savepoints <= self._failure.savepoints:
            what = "its block of atomic()" if savepoints else "the transaction"
            self._failure.report(self._connection, what)

    def _require_success(self) -> None:
        if self._failure:
            raise FlushFailed(
                "an event of this transaction could not be recorded, so the transaction "
                f"cannot be committed: {self._failure}; roll it back"
            ) from self._failure.cause

    def _drop(self, position: int) -> None:
        dropped = self._rows[max(0, position - self._written) :]
        del self._rows[len(self._rows) - len(dropped) :]
        self._bytes -= sum(row.size for row in dropped)
        for watcher in self.watchers:
            watcher.truncated(position)

    def _clear(self) -> None:
        self._rows.clear()
        self._bytes = 0

    def _end(self) -> None:
        self._clear()
        self._written = 0
        self._savepoints.keep(0)
        self._failure = None
        self._late = False

    def _is_full(self) -> bool:
        return len(self._rows) >= ROWS_PER_STATEMENT or self._bytes >= BYTES_PER_STATEMENT

    def _write_early(self) -> None:
        if not self._is_full() or not self._may_write_early():
            return
        try:
            self._write(self._is_full)
        except BaseException as failure:
            self.spoil(failure)
            raise

    def _may_write_early(self) -> bool:
        # Rows written inside a savepoint would disappear with it, older ones among them.
        return not (
            self._savepoints or self._late or self._failure or self._connection.needs_rollback
        )

    def _write(self, is_pending: Callable[[], bool]) -> None:
        with _database_errors(self._connection):
            if not installation.is_complete(self._connection):
                self._clear()
            while is_pending():
                self._insert(self._next_statement())

    def _next_statement(self) -> list[Recorded]:
        """The oldest rows, as many as a statement holds; one, however large it is."""
        rows, size = self._rows[:ROWS_PER_STATEMENT], 0
        for count, row in enumerate(rows):
            size += row.size
            if count and size > BYTES_PER_STATEMENT:
                return rows[:count]
        return rows

    def _insert(self, rows: list[Recorded]) -> None:
        statement = _INSERT + ", ".join([_VALUES] * len(rows))
        with self._connection.cursor() as cursor:
            cursor.execute(statement, [value for row in rows for value in row])
        del self._rows[: len(rows)]
        self._bytes -= sum(row.size for row in rows)
        self._written += len(rows)


def buffer_of(connection: BaseDatabaseWrapper) -> Buffer:
    """The buffer of a connection, made at its first use; UnsupportedDatabase if not PostgreSQL."""
    if connection.vendor != "postgresql":
        raise UnsupportedDatabase.of(connection)
    return _attached(connection)


def spoil(connection: BaseDatabaseWrapper, cause: BaseException) -> None:
    """Make sure that what is open on a connection, of whatever database, never commits."""
    _attached(connection).spoil(cause)


def _attached(connection: BaseDatabaseWrapper) -> Buffer:
    buffer: Buffer | None = getattr(connection, _ATTRIBUTE, None)
    if buffer is None:
        buffer = Buffer(connection)
        setattr(connection, _ATTRIBUTE, buffer)
        hooks.install(connection, buffer)
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
