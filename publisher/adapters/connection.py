"""A connection to PostgreSQL that never hangs, and what its errors mean."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict
from psycopg.generators import execute
from psycopg.pq import PipelineStatus

from publisher.errors import (
    ConfigurationInvalid,
    CredentialsRejected,
    PublisherError,
    StoreUnavailable,
)
from publisher.guards import RIGHTS

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for one statement of the loop. A page takes milliseconds, the bounds of a window 0.1 s
for a million rows."""

HURRY = 1.0
"""Seconds for one statement once the process is about to end."""

_GRACE = 5.0
"""A server that lives ends the statement itself, within these seconds, and frees its locks."""

_CONNECT: dict[str, Any] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SESSION = b"""
    SELECT set_config(name, setting, false)
    FROM (VALUES
        -- The windows are always ranges of an index, whatever the statistics say.
        ('enable_seqscan', 'off'),
        ('enable_bitmapscan', 'off'),
        ('jit', 'off'),
        -- The plan for any values walks the primary key: stragglers took 500 ms instead of 8.
        ('plan_cache_mode', 'force_custom_plan'),
        ('max_parallel_workers_per_gather', '0'),
        ('default_transaction_isolation', 'read committed'),
        -- A position that a crash takes back would count transactions that it takes back too.
        (
            'synchronous_commit',
            replace(current_setting('synchronous_commit'), 'off', 'local')
        ),
        -- A moment as text is RFC 3339 but for its space, and cheaper than to_char.
        ('TimeZone', 'UTC'),
        ('DateStyle', 'ISO'),
        -- The session holds the lock of the position: it must not outlive its client for hours.
        ('tcp_keepalives_idle', '5'),
        ('tcp_keepalives_interval', '2'),
        ('tcp_keepalives_count', '3'),
        ('tcp_user_timeout', '10000'),
        -- Nor a frozen client, in whose sleep every writer would notify: others run a statement
        -- every second or two.
        ('idle_session_timeout', '60000'),
        ('statement_timeout', %s)
    ) AS wanted (name, setting)
"""
_STATEMENT_TIMEOUT = "SELECT set_config('statement_timeout', %s, false)"
_MORE_RIGHTS = {
    "outbox_event": "; to publish restored rows again, UPDATE (xid) on it too",
    "outbox_position": "; `position remove` needs DELETE on it too",
    "outbox_request": "; `position remove` needs DELETE on it too",
}
_REFUSED_LOGIN = (
    "password authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied for database",
    "is not permitted to log in",
)


class TimedOut(StoreUnavailable):
    """A statement took longer than the connection's patience."""


class _NoAnswer(psycopg.OperationalError):
    """The server did not even say that the statement takes too long: it stands still."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose statements end after `patience` seconds; None waits as long as it takes.

    It is of no use after it timed out: close it.
    """

    patience: float | None = PATIENCE
    ending: Callable[[], bool] = staticmethod(lambda: False)
    waiting: Callable[[], None] = staticmethod(lambda: None)
    used_at: float = 0.0
    role: str = ""
    _hurried = False

    def grant(self, patience: float | None) -> None:
        """Give each statement from now on so many seconds."""
        self.execute(_STATEMENT_TIMEOUT, [_milliseconds(patience)])
        self.patience = patience

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Give the statements of the block as long as they take; `waiting` and `ending` count."""
        patience = self.patience
        self.grant(math.inf)
        yield
        self.grant(patience)

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        if self.patience is not None:
            gen = _within(self.patience + _GRACE, gen, self._hurries, self.waiting)
        try:
            return super().wait(gen, *args, **kwargs)
        finally:
            self.used_at = time.monotonic()

    def hurry(self) -> None:
        """Let what is waited for, in whatever thread, be given up soon."""
        self._hurried = True

    def _hurries(self) -> bool:
        return self._hurried or self.ending()

    def beat(self) -> None:
        """Run an empty statement from another thread, unless the connection is in use."""
        if not self.lock.acquire(blocking=False):
            return
        try:
            if self.pgconn.pipeline_status == PipelineStatus.OFF:
                self._run_nothing()
        finally:
            self.lock.release()

    def _run_nothing(self) -> None:
        self.pgconn.send_query(b"SELECT")
        gen = execute(self.pgconn)
        super().wait(_within(PATIENCE + _GRACE, gen, self._hurries, lambda: None))
        self.used_at = time.monotonic()


def _milliseconds(patience: float | None) -> str:
    """As `statement_timeout` takes it: zero is no bound."""
    return f"{patience * 1000:.0f}" if patience and math.isfinite(patience) else "0"


def _within(
    seconds: float,
    gen: Generator[Any, Any, T],
    ending: Callable[[], bool],
    waiting: Callable[[], None],
) -> Generator[Any, Any, T]:
    """Give up on a generator of psycopg, which is resumed every 0.1 s, after some seconds."""
    started = time.monotonic()
    try:
        wanted = next(gen)
        while time.monotonic() - started < (HURRY if ending() else seconds):
            waiting()
            wanted = gen.send((yield wanted))
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise _NoAnswer


def connect(url: str, *, name: str, patience: float | None = None) -> Connection:
    """Open a connection in autocommit mode.

    Raises `CredentialsRejected` where the server refuses the login, `StoreUnavailable` where it
    cannot be reached.
    """
    try:
        connection = Connection.connect(
            url,
            autocommit=True,
            application_name=f"outbox-publisher:{name}",
            connect_timeout=_connect_timeout(url),
            **_CONNECT,
        )
    except psycopg.OperationalError as exc:
        raise _connect_error(exc) from exc
    connection.role = connection.info.user
    try:
        with answering(connection):
            connection.execute(_SESSION, [_milliseconds(patience)])
    except BaseException:
        connection.close()
        raise
    connection.patience = patience
    return connection


def _connect_timeout(url: str) -> int:
    """Seconds for each host: two that are silent take 4 s, less than a polite stop; three take 6.

    psycopg waits 2 s for each address at least.
    """
    parts = conninfo_to_dict(url)
    hosts = str(parts.get("hostaddr") or parts.get("host") or "").split(",")
    return max(2, 3 // len(hosts))


def _connect_error(exc: psycopg.Error) -> PublisherError:
    reason = _first_line(exc)
    if re.search("connection is bad: invalid .* value", reason):
        return ConfigurationInvalid(f"PUBLISHER_DATABASE_URL: {reason}")
    if "FATAL" in reason and any(text in reason for text in _REFUSED_LOGIN):
        return CredentialsRejected(
            f"{reason}: correct the user, the password or the database in PUBLISHER_DATABASE_URL"
        )
    return StoreUnavailable(
        f"PostgreSQL cannot be reached: {reason}; check the server, or correct "
        "PUBLISHER_DATABASE_URL"
    )


@contextmanager
def answering(connection: Connection) -> Iterator[None]:
    """Turn what psycopg raises into `StoreUnavailable`, with the cure."""
    try:
        yield
    except psycopg.Error as exc:
        if isinstance(exc, (_NoAnswer, pg.QueryCanceled)) and "user request" not in str(exc):
            patience = connection.patience or 0
            within = f"within {patience:g} s" if math.isfinite(patience) else "in time"
            raise TimedOut(
                f"PostgreSQL does not answer {within}: it stands still, or is overloaded (look at "
                "pg_stat_activity)"
            ) from exc
        raise StoreUnavailable(_meaning(exc, connection.role)) from exc


def _meaning(exc: psycopg.Error, role: str) -> str:
    reason = _first_line(exc)
    match exc:
        case pg.UndefinedTable():
            return (
                f"{reason}: run `manage.py migrate outbox` in the database of "
                "PUBLISHER_DATABASE_URL"
            )
        case pg.UndefinedColumn():
            return (
                f"{reason}: the outbox tables are of another release; run `manage.py migrate "
                "outbox`, or install the release of django-outbox-bridge that the project uses"
            )
        case pg.AdminShutdown():
            return (
                "PostgreSQL ended the session: it restarts, an administrator ended it, or this "
                "publisher was frozen and one that stands by has taken over"
            )
        case pg.LockNotAvailable():
            return (
                f"{reason}: another session holds rows of outbox_event, or moves a position (look "
                "at pg_locks)"
            )
        case pg.InsufficientPrivilege():
            return _missing_right(reason, role)
    if exc.sqlstate:
        return f"PostgreSQL reports an error: {reason}"
    return f"PostgreSQL does not answer: {reason}; check the server"


def _missing_right(reason: str, role: str) -> str:
    table = next((table for table in RIGHTS if re.search(rf"\b{table}\b", reason)), None)
    if table is None:
        return f"{reason}: give the role {role!r} the rights that the publisher's reference lists"
    return f"{reason}: GRANT {RIGHTS[table]} ON {table} TO {role}{_MORE_RIGHTS.get(table, '')}"


def _first_line(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__).strip().splitlines()[0]
