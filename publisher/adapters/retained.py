"""The retained rows in PostgreSQL, on a connection of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from psycopg import ClientCursor

from publisher.adapters.connection import PATIENCE, Connection, answering, connect
from publisher.adapters.tables import missing_grants, read_identity, read_source
from publisher.errors import StoreUnavailable
from publisher.guards import RETENTION_RIGHTS
from publisher.pruning import Range
from publisher.sql import statement

# One message is one transaction, so that a process that is frozen cannot hold the lock; each
# statement of it has a snapshot of its own.
_BRIEFLY = b"SET LOCAL lock_timeout = '2s';"
_PRUNE_EVENTS = _BRIEFLY + statement("lock_retention") + b";" + statement("prune_events")
_PRUNE_REQUESTS = _BRIEFLY + statement("prune_requests")


class PostgresRetained:
    """`Retained` on the tables of the Django app `outbox`: what is older than the horizon goes.

    Once `unwanted` is true, a statement is given up at once. With `dry_run` everything is counted,
    and nothing removed.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        horizon: timedelta,
        dry_run: bool = False,
        unwanted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._unwanted = unwanted
        self._connection = connect(url, name=f"{name}:prune", patience=PATIENCE)
        self._connection.waiting = self._require_wanted
        self._params = {"horizon": horizon, "dry_run": dry_run}
        try:
            with answering(self._connection):
                self._begin()
        except BaseException:
            self._connection.close()
            raise

    def _begin(self) -> None:
        identity = read_identity(self._connection)
        read_source(self._connection)
        refuse_missing_rights(self._connection)
        self._params["system_identifier"] = identity.system_identifier
        self._params["timeline"] = identity.timeline

    def prune(self, after: int, limit: int) -> Range:
        row = self._last_row(_PRUNE_EVENTS, after=after, rows=limit)
        rows, upto, ripe, removed, parked, waits_for = row
        return Range(rows, upto, ripe, removed, parked, frozenset(waits_for))

    def prune_requests(self, limit: int) -> int:
        (removed,) = self._last_row(_PRUNE_REQUESTS, rows=limit)
        return int(removed)

    def close(self) -> None:
        self._connection.close()

    def _last_row(self, query: bytes, **params: object) -> tuple[Any, ...]:
        """Run statements in one message; the row of the last one."""
        with answering(self._connection), ClientCursor(self._connection) as cursor:
            cursor.execute(query, {**self._params, **params})
            while cursor.nextset():
                pass
            (row,) = cursor.fetchall()
            return row

    def _require_wanted(self) -> None:
        if self._unwanted():
            raise StoreUnavailable("pruning was ended")


def refuse_missing_rights(connection: Connection) -> None:
    """Raise `StoreUnavailable` with every right that this role lacks to remove rows."""
    if grants := missing_grants(connection, RETENTION_RIGHTS):
        role = connection.info.user
        raise StoreUnavailable(f"the role {role!r} may not remove what is published: {grants}")
