"""The store in PostgreSQL: one connection that reads windows and keeps the position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from publisher import guards
from publisher.adapters.connection import (
    PATIENCE,
    Connection,
    TimedOut,
    answering,
    connect,
)
from publisher.adapters.tables import (
    array,
    ended,
    lock_position,
    read_backlog,
    read_identity,
    read_source,
    read_standings,
    stored_position,
)
from publisher.errors import CredentialsRejected, Fenced, StoreUnavailable
from publisher.ports import Backlog, Bounds, Chunk, Limits, Row, SmallWindow, Tenure
from publisher.position import Position, Snapshot
from publisher.sql import statement

log = structlog.get_logger("publisher.store")

_SMALL_WINDOW = statement("small_window")
_BOUNDS = statement("bounds")
_STRAGGLERS = statement("stragglers")
_SPAN = statement("span")
_SAVE_POSITION = statement("save_position")

_MOST_PATIENCE = 16 * PATIENCE


class PostgresStore:
    """A `Store` on the tables of the Django app `outbox`.

    `waiting` is called again and again while a statement runs, which `ending` makes shorter.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "default",
        ending: Callable[[], bool] = lambda: False,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._url, self._name, self._ending, self._waiting = url, name, ending, waiting
        self._connection: Connection | None = None
        self._patience = PATIENCE
        self._slow: object = None
        self._epoch = -1
        self._was_open = False

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def open(self) -> Tenure:
        self._connect()
        try:
            with self._answering("open"):
                return self._take_over()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        try:
            self._connection = connect(self._url, name=self._name, patience=self._patience)
            self._connection.ending = self._ending
            self._connection.waiting = self._waiting
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
        position = stored_position(prev, now, last_id)
        if epoch == 1:
            self._announce(position)
        inherited, self._epoch = epoch != self._epoch + 1, epoch
        return Tenure(position, source, inherited)

    def _announce(self, new: Position) -> None:
        backlog = read_backlog(self._live, new)
        others = [s.name for s in read_standings(self._live) if s.name != self._name]
        tell = log.warning if others and backlog.rows else log.info
        tell("starting at the beginning", name=self._name, rows=backlog.rows, existing=others)

    def small_window(self, prev: Snapshot, limits: Limits) -> SmallWindow:
        rows = self._rows(
            _SMALL_WINDOW,
            xmax=str(prev.xmax),
            in_progress=array(prev.in_progress),
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
        rows = self._rows(
            _STRAGGLERS,
            in_progress=array(ended(pair)),
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
        with self._answering("backlog"):
            return read_backlog(self._live, position)

    def save(self, position: Position) -> None:
        with self._answering("save"):
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
                raise Fenced(self._why_fenced())

    def _why_fenced(self) -> str:
        if all(standing.name != self._name for standing in read_standings(self._live)):
            return (
                f"the position {self._name!r} was removed while this publisher ran: start it "
                "again, and it publishes the table from its beginning"
            )
        return (
            f"another publisher took the position {self._name!r} over, or it was moved: run one "
            "process for each PUBLISHER_NAME, or let the others stand by"
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
        with self._answering(query), self._live.cursor(binary=True) as cursor:
            return cursor.execute(query, params, prepare=True).fetchall()

    def _one(self, query: Any, **params: object) -> tuple[Any, ...]:
        (row,) = self._rows(query, **params)
        return row

    @contextmanager
    def _answering(self, kind: object) -> Iterator[None]:
        try:
            with answering(self._live):
                yield
                if kind == self._slow:
                    self._slow, self._patience = None, PATIENCE
                    self._live.grant(PATIENCE)
        except StoreUnavailable as exc:
            if isinstance(exc, TimedOut) and self.is_open:  # in the innermost block
                # A window may be so large that its bounds take longer: do not ask in vain for ever.
                self._slow, self._patience = kind, min(2 * self._patience, _MOST_PATIENCE)
            self.close()
            raise


def _unseen(prev: Snapshot) -> Mapping[str, object]:
    return {"xmax": str(prev.xmax), "in_progress": array(prev.in_progress)}


def _chunk(rows: Sequence[tuple[Any, ...]], limits: Limits) -> Chunk:
    found = rows[0][0] if rows else 0
    exhausted = len(rows) == found and found < limits.rows
    return Chunk([Row(*row[1:]) for row in rows], exhausted)
