"""The events of the transaction that is open on a connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from outbox import hooks, installation
from outbox.errors import (
    FlushFailed,
    UnknownSavepoint,
    UnsettledTransaction,
    UnsupportedDatabase,
)
from outbox.failure import Failure
from outbox.insertion import insert, raise_database_error
from outbox.pending import Entry, settled
from outbox.recorded import Recorded
from outbox.savepoints import Savepoints
from outbox.transactions import in_transaction
from outbox.waiting import Waiting

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

ROWS_PER_STATEMENT = 1_000
BYTES_PER_STATEMENT = 16 * 1024 * 1024

_ATTRIBUTE = "_outbox_buffer"


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
        self._waiting = Waiting()
        self._written = 0
        self._savepoints = Savepoints()
        self._failure: Failure | None = None
        self._discreet = False
        # Savepoints may be open that were set before this buffer could see them.
        self._late = connection.connection is not None and in_transaction(connection)

    @property
    def position(self) -> int:
        """How many events the open transaction has."""
        return self._written + len(self._waiting)

    def append(self, entry: Entry) -> None:
        """Keep an event for the commit; a long transaction writes a full statement right away."""
        if self.watchers:
            entry = settled(entry)
            for watcher in self.watchers:
                watcher.added(entry, self.position)
        waiting = self._waiting
        waiting.append(entry)
        if len(waiting) >= ROWS_PER_STATEMENT or waiting.bytes >= BYTES_PER_STATEMENT:
            self._write_early()

    def extend(self, entries: Iterable[Entry]) -> None:
        """Keep several, in this order."""
        for entry in entries:
            self.append(entry)

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

    def flush(self, *, commits: bool = False) -> None:
        """Write what waits; with `commits`, the COMMIT may be sent in the same round trip."""
        self._require_success()
        if self._waiting:
            self._write(commits=commits)

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
        if self._waiting:
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
        self._waiting.keep_oldest(max(0, position - self._written))
        for watcher in self.watchers:
            watcher.truncated(position)

    def _end(self) -> None:
        self._waiting.keep_oldest(0)
        self._written = 0
        self._savepoints.keep(0)
        self._failure = None
        self._late = False

    def _is_full(self) -> bool:
        waiting = self._waiting
        return len(waiting) >= ROWS_PER_STATEMENT or waiting.bytes >= BYTES_PER_STATEMENT

    def _write_early(self) -> None:
        if not self._is_full() or not self._may_write_early():
            return
        try:
            self._write(only_full=True)
        except BaseException as failure:
            self.spoil(failure)
            raise

    def _may_write_early(self) -> bool:
        # Rows written inside a savepoint would disappear with it, older ones among them.
        return not (
            self._savepoints or self._late or self._failure or self._connection.needs_rollback
        )

    def _write(self, *, only_full: bool = False, commits: bool = False) -> None:
        try:
            if not installation.is_complete(self._connection):
                self._waiting.keep_oldest(0)
            while self._is_full() if only_full else self._waiting:
                rows = self._waiting.oldest(rows=ROWS_PER_STATEMENT, size=BYTES_PER_STATEMENT)
                self._insert(rows, commits=commits and len(rows) == len(self._waiting))
        except BaseException as failure:
            raise_database_error(self._connection, failure)

    def _insert(self, rows: list[Recorded], *, commits: bool) -> None:
        insert(self._connection, rows, commits=commits)
        self._waiting.remove_oldest(len(rows))
        self._written += len(rows)


def buffer_of(connection: BaseDatabaseWrapper, *, of_any_vendor: bool = False) -> Buffer:
    """The buffer of a connection, made at its first use; UnsupportedDatabase if not PostgreSQL."""
    if connection.vendor != "postgresql" and not of_any_vendor:
        raise UnsupportedDatabase.of(connection)
    buffer: Buffer | None = getattr(connection, _ATTRIBUTE, None)
    if buffer is None:
        buffer = Buffer(connection)
        setattr(connection, _ATTRIBUTE, buffer)
        hooks.install(connection, buffer)
    return buffer


def spoil(connection: BaseDatabaseWrapper, cause: BaseException) -> None:
    """Make sure that what is open on a connection, of whatever database, never commits."""
    buffer_of(connection, of_any_vendor=True).spoil(cause)
