"""The store in PostgreSQL: one connection that reads windows and keeps the position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import errors as pg

from publisher import guards
from publisher.checks import Inspection
from publisher.errors import CredentialsRejected, Fenced, StoreUnavailable
from publisher.ports import Backlog, Bounds, Chunk, Limits, Row, SmallWindow, Tenure, Topic
from publisher.position import NOTHING, Position, Snapshot
from publisher.sql import statement

Connection = psycopg.Connection[tuple[Any, ...]]

_SMALL_WINDOW = statement("small_window")
_BOUNDS = statement("bounds")
_STRAGGLERS = statement("stragglers")
_SPAN = statement("span")
_BACKLOG = statement("backlog")
_SAVE_POSITION = statement("save_position")

BACKLOG_CAP = 100_000
"""Rows beyond this number are not counted: the count stays a statement of milliseconds."""

_CONNECT: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SESSION = (
    # The windows are always ranges of an index, whatever the statistics say.
    "SELECT set_config('enable_seqscan', 'off', false),"
    " set_config('enable_bitmapscan', 'off', false),"
    " set_config('jit', 'off', false),"
    " set_config('default_transaction_isolation', 'read committed', false)"
)
_REFUSED_LOGIN = ("password authentication failed", "does not exist", "no pg_hba.conf entry")


def connect(url: str, *, name: str) -> Connection:
    """Open a connection in autocommit mode.

    Raises `CredentialsRejected` where the server refuses the login, `StoreUnavailable` where it
    cannot be reached.
    """
    try:
        connection = psycopg.connect(
            url, autocommit=True, application_name=f"outbox-publisher:{name}", **_CONNECT
        )
        connection.execute(_SESSION)
    except psycopg.OperationalError as exc:
        raise _connect_error(exc) from exc
    return connection


def _connect_error(exc: psycopg.Error) -> CredentialsRejected | StoreUnavailable:
    reason = _first_line(exc)
    if "FATAL" in reason and any(text in reason for text in _REFUSED_LOGIN):
        return CredentialsRejected(
            f"{reason}: correct the user, the password or the database in PUBLISHER_DATABASE_URL"
        )
    return StoreUnavailable(f"PostgreSQL cannot be reached: {reason}")


def _first_line(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__).strip().splitlines()[0]


class PostgresStore:
    """A `Store` on the tables of the Django app `outbox`."""

    def __init__(self, url: str, *, name: str = "default") -> None:
        self._url = url
        self._name = name
        self._connection: Connection | None = None
        self._epoch = -1
        self._was_open = False

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def open(self) -> Tenure:
        self._connect()
        try:
            with self._answering():
                return self._take_over()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        try:
            self._connection = connect(self._url, name=self._name)
        except CredentialsRejected as exc:
            if self._was_open:
                # Worked before: a rotated password is an outage, which somebody will mend.
                raise StoreUnavailable(str(exc)) from exc
            raise
        self._was_open = True

    def _take_over(self) -> Tenure:
        identity = read_identity(self._live)
        source = read_source(self._live)
        if not lock_position(self._live, self._name):
            raise StoreUnavailable(
                f"another publisher named {self._name!r} is active: this one stands by"
            )
        row = self._one(
            statement("take_position"),
            name=self._name,
            system_identifier=identity.system_identifier,
            timeline=identity.timeline,
        )
        epoch, prev, now, last_id, *history = row
        guards.refuse_other_history(self._name, stored=guards.Identity(*history), found=identity)
        inherited, self._epoch = epoch != self._epoch + 1, epoch
        return Tenure(_position(prev, now, last_id), source, inherited)

    def small_window(self, prev: Snapshot, limits: Limits) -> SmallWindow:
        rows = self._rows(
            _SMALL_WINDOW,
            xmax=str(prev.xmax),
            in_progress=_array(prev.in_progress),
            rows=limits.rows,
            bytes=limits.bytes,
        )
        now, fits, row_id, *_ = rows[0]
        if row_id is None:
            return SmallWindow(Snapshot.parse(now), ())
        return SmallWindow(Snapshot.parse(now), [Row(*row[2:]) for row in rows] if fits else None)

    def bounds(self, pair: Position) -> Bounds:
        first, last, rows = self._one(
            _BOUNDS, after=pair.last_id, now=str(pair.now), **_unseen(pair.prev)
        )
        return Bounds(first, last, rows)

    def stragglers(self, pair: Position, after: int, below: int, limits: Limits) -> Chunk:
        ended = [xid for xid in pair.prev.in_progress if pair.now and pair.now.sees(xid)]
        rows = self._rows(
            _STRAGGLERS,
            in_progress=_array(ended),
            after=after,
            below=below,
            rows=limits.rows,
            bytes=limits.bytes,
        )
        return _chunk(rows, limits)

    def span(self, pair: Position, after: int, upto: int, limits: Limits) -> Chunk:
        rows = self._rows(
            _SPAN,
            prev=str(pair.prev),
            now=str(pair.now),
            after=after,
            upto=upto,
            rows=limits.rows,
            bytes=limits.bytes,
        )
        return _chunk(rows, limits)

    def backlog(self, position: Position) -> Backlog:
        with self._answering():
            return read_backlog(self._live, position)

    def save(self, position: Position) -> None:
        with self._answering():
            cursor = self._live.execute(
                _SAVE_POSITION,
                {
                    "name": self._name,
                    "epoch": self._epoch,
                    "prev": str(position.prev),
                    "now": str(position.now) if position.now else None,
                    "last_id": position.last_id if position.now else None,
                },
            )
        if cursor.rowcount != 1:
            raise Fenced(
                f"another publisher took the position {self._name!r} over: run one process for "
                "each PUBLISHER_NAME, or let the others stand by"
            )

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def _live(self) -> Connection:
        if self._connection is None:
            raise StoreUnavailable("the connection to PostgreSQL is closed")
        return self._connection

    def _rows(self, query: Any, **params: object) -> Sequence[tuple[Any, ...]]:
        with self._answering(), self._live.cursor(binary=True) as cursor:
            return cursor.execute(query, params, prepare=True).fetchall()

    def _one(self, query: Any, **params: object) -> tuple[Any, ...]:
        (row,) = self._rows(query, **params)
        return row

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            with answering():
                yield
        except StoreUnavailable:
            self.close()
            raise


@contextmanager
def answering() -> Iterator[None]:
    """Turn what psycopg raises into `StoreUnavailable`."""
    try:
        yield
    except pg.UndefinedTable as exc:
        raise StoreUnavailable(
            f"{_first_line(exc)}: run `manage.py migrate outbox` in the database of "
            "PUBLISHER_DATABASE_URL"
        ) from exc
    except psycopg.Error as exc:
        raise StoreUnavailable(f"PostgreSQL does not answer: {_first_line(exc)}") from exc


def read_identity(connection: Connection) -> guards.Identity:
    """Tell which database this is. Raises `StoreUnavailable` on a standby and without tables."""
    row = connection.execute(statement("guards")).fetchone()
    assert row is not None  # noqa: S101  # the statement has no FROM
    standby, system_identifier, timeline, migrated = row
    guards.refuse_standby(standby=standby)
    guards.refuse_missing_tables(migrated=migrated)
    return guards.Identity(system_identifier, timeline)


def read_source(connection: Connection) -> str:
    """Read `ce_source`, and refuse tables of another release."""
    row = connection.execute(statement("metadata")).fetchone()
    version, source = row or (None, "")
    guards.refuse_schema(version)
    return str(source)


def read_topics(connection: Connection) -> list[Topic]:
    """Read the topics that the Django project declares, by name."""
    return [Topic(*row) for row in connection.execute(statement("topics"))]


def inspect(connection: Connection) -> Inspection:
    """Read what `outbox-publisher check` judges."""
    ((synchronous_commit, id_cache),) = connection.execute(statement("settings"))
    return Inspection(synchronous_commit, id_cache, read_topics(connection))


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """A row of `outbox_position`."""

    name: str
    epoch: int
    position: Position
    identity: guards.Identity
    updated_at: datetime


def read_positions(connection: Connection) -> list[StoredPosition]:
    """Read the positions of all publishers, by name."""
    return [
        StoredPosition(
            name, epoch, _position(prev, now, last_id), guards.Identity(system, timeline), at
        )
        for name, epoch, prev, now, last_id, system, timeline, at in connection.execute(
            statement("show_positions")
        )
    ]


def read_backlog(connection: Connection, position: Position) -> Backlog:
    """Measure what lies behind a position."""
    params = {
        "now": str(position.now or NOTHING),
        "last_id": position.last_id,
        "cap": BACKLOG_CAP,
        **_unseen(position.prev),
    }
    ((rows, seconds),) = connection.execute(_BACKLOG, params)
    return Backlog(rows, seconds)


def lock_position(connection: Connection, name: str) -> bool:
    """Try to become the only publisher of this name, for as long as the connection lives."""
    row = connection.execute(statement("lock_position"), {"name": name}).fetchone()
    return row == (True,)


def rebase_position(
    connection: Connection,
    name: str,
    identity: guards.Identity,
    since: datetime,
) -> Position:
    """Move the position so that what was recorded since then is published again."""
    with connection.transaction():
        connection.execute(statement("disarm_restored"), {"since": since})
        row = connection.execute(
            statement("rebase_position"),
            {
                "name": name,
                "system_identifier": identity.system_identifier,
                "timeline": identity.timeline,
                "since": since,
            },
        ).fetchone()
    assert row is not None  # noqa: S101  # an upsert returns its row
    return Position(Snapshot.parse(row[0]))


def _position(prev: str, now: str | None, last_id: int) -> Position:
    return Position(Snapshot.parse(prev), Snapshot.parse(now) if now else None, last_id)


def _unseen(prev: Snapshot) -> Mapping[str, object]:
    return {"xmax": str(prev.xmax), "in_progress": _array(prev.in_progress)}


def _array(xids: Sequence[int]) -> str:
    return "{" + ",".join(map(str, xids)) + "}"


def _chunk(rows: Sequence[tuple[Any, ...]], limits: Limits) -> Chunk:
    found = rows[0][0] if rows else 0
    exhausted = len(rows) == found and found < limits.rows
    return Chunk([Row(*row[1:]) for row in rows], exhausted)
