"""How a writer's transaction wakes a publisher that sleeps, in PostgreSQL.

The trigger `outbox_wake_up` tries to share a lock until its transaction ends, and notifies where
that fails. To sleep is to hold the lock alone. So whoever sleeps knows that no transaction is open
which was told that nobody does; what committed before shows in the next read.

One session can hold the lock alone. Where it is held so, others sleep under it, and are notified
when it is let go. Where its session dies without a word they find out at their next `doze`.
"""

from __future__ import annotations

from psycopg import Notify

from publisher.adapters.connection import Connection
from publisher.sql import statement

_LISTEN = "LISTEN outbox_publisher"
_DOZE = statement("doze")
_ROUSE = statement("rouse")


class Bell:
    """What writers ring; it hangs on a connection, and is gone with it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._holds = self._rung = False
        connection.add_notify_handler(self._hear)
        connection.execute(_LISTEN)

    def fileno(self) -> int:
        return self._connection.fileno()

    def doze(self) -> bool:
        """See `publisher.ports.Store`."""
        if self._holds:
            return True
        row = self._connection.execute(_DOZE, prepare=True).fetchone()
        self._holds = row == ("holds",)
        return row != ("refused",)

    def rung(self) -> bool:
        """See `publisher.ports.Store`."""
        if not self._connection.lock.acquire(blocking=False):
            return True  # The heartbeat may be hearing it just now.
        try:
            # A notification may have come behind the answer to a statement: libpq has it then, and
            # the socket is silent.
            self._connection.pgconn.consume_input()
            while notify := self._connection.pgconn.notifies():
                self._rung |= self._is_foreign(notify.be_pid)
        finally:
            self._connection.lock.release()
        rung, self._rung = self._rung, False
        return rung

    def rouse(self) -> None:
        """See `publisher.ports.Store`."""
        if self._holds:
            self._connection.execute(_ROUSE, prepare=True)
        self._holds = self._rung = False

    def _hear(self, notify: Notify) -> None:
        self._rung |= self._is_foreign(notify.pid)

    def _is_foreign(self, pid: int) -> bool:
        return pid != self._connection.info.backend_pid
