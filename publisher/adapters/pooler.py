"""Whether a pooler lends the session of a connection to others between transactions."""

from __future__ import annotations

from contextlib import closing

import psycopg

from publisher.adapters.connection import Connection, connect
from publisher.errors import StoreUnavailable
from publisher.sql import statement

_BACKEND_PID = statement("backend_pid")
_PATIENCE = 1.0


def shares_sessions(connection: Connection, url: str) -> bool:
    """Ask a second connection, where not PostgreSQL itself answers, whether it gets the same
    session, or takes it away. True also where none can be had, or no transaction."""
    first = _backend_pid(connection)
    if first == connection.info.backend_pid:
        return False
    try:
        with closing(connect(url, name="pooler", patience=_PATIENCE)) as other, other.transaction():
            return _backend_pid(other) == first or _backend_pid(connection) != first
    except (StoreUnavailable, psycopg.Error):
        return True


def _backend_pid(connection: Connection) -> int:
    ((pid,),) = connection.execute(_BACKEND_PID)
    return int(pid)
