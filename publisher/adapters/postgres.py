"""The store in PostgreSQL: one connection that reads windows and keeps the position."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from publisher import guards
from publisher.adapters.bell import Bell
from publisher.adapters.connection import (
    PATIENCE,
    Connection,
    TimedOut,
    answering,
    connect,
)
from publisher.adapters.foreseen import Foreseen
from publisher.adapters.heartbeat import Heartbeat
from publisher.adapters.parked_tables import (
    answer_request,
    keep_parked,
    park,
    read_parked,
    read_requests,
    release_parked,
    selection,
)
from publisher.adapters.pooler import shares_sessions
from publisher.adapters.tables import (
    array,
    disarm_restored,
    end_holder,
    ended,
    lock_position,
    read_backlog,
    read_holder,
    read_identity,
    read_source,
    read_standings,
    read_statistics_since,
    rebase_position,
)
from publisher.errors import CredentialsRejected, Fenced, StandsBy, StoreUnavailable
from publisher.leader import Holder, Watch, stands_by
from publisher.ports import (
    Backlog,
    Bounds,
    Chunk,
    Limits,
    Parked,
    Request,
    Row,
    SmallWindow,
    Tenure,
)
from publisher.position import Position, Snapshot
from publisher.sql import statement

log = structlog.get_logger("publisher.store")

_SMALL_WINDOW = statement("small_window")
_BOUNDS = statement("bounds")
_STRAGGLERS = statement("stragglers")
_SPAN = statement("span")
_PARKED_WITHIN = statement("parked_within")
_PARKED_ROWS = statement("parked_rows")
_SAVE_POSITION = statement("save_position")
_CONFIRM_POSITION = statement("confirm_position")
_DISOWN_POSITION = statement("disown_position")

_row: Callable[[tuple[Any, ...]], Row] = partial(tuple.__new__, Row)
"""A row out of its columns, twice as fast as `Row._make`."""

_MOST_PATIENCE = 16 * PATIENCE


class PostgresStore:
    """A `Store` on the tables of the Django app `outbox`.

    `waiting` is called again and again while a statement runs, which `ending` makes shorter. On
    another timeline than the position's, what was recorded since it was stored, and for the time of
    `margin` before, is published again; without a margin, that is refused. Without `rings`, or
    behind a pooler that lends its session to others, it never dozes. Where the `keeper` is
    `kafka`, the position is a mirror of what Kafka keeps.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "default",
        ending: Callable[[], bool] = lambda: False,
        waiting: Callable[[], None] = lambda: None,
        margin: timedelta | None = None,
        rings: bool = True,
        keeper: str = "database",
    ) -> None:
        self._url, self._name, self._ending, self._waiting = url, name, ending, waiting
        self._margin, self._rings, self._keeper = margin, rings, keeper
        self._connection: Connection | None = None
        self._bell: Bell | None = None
        self._heartbeat: Heartbeat | None = None
        self._foreseen: Foreseen | None = None
        self._watch = Watch()
        self._patience = PATIENCE
        self._slow: object = None
        self._held: tuple[guards.Identity, datetime, int] | None = None
        self._inherited = True
        self._was_open = False

    @property
    def is_open(self) -> bool:
        return self._heartbeat is not None

    def open(self) -> Tenure:
        try:
            if self._connection is None:
                self._connect()
            with self._answering("open"):
                self._require_lock()
                tenure = self._take_over()
                self._bell = self._hang_bell() if self._rings else None
        except StandsBy:
            raise
        except BaseException:
            self.close()
            raise
        self._heartbeat = Heartbeat(self._live, self._settle)
        self._inherited = False  # It is told, and not before.
        return tenure

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
        with self._answering("guards"):
            self._identity = read_identity(self._live)
            read_source(self._live)

    def _require_lock(self) -> None:
        """Become the active publisher, or look after the one that is."""
        if lock_position(self._live, self._name):
            self._watch = Watch()
            return
        holder = read_holder(self._live, self._name)
        if holder and holder.may_end and self._watch.finds_frozen(holder, time.monotonic()):
            self._end(holder)
        raise StandsBy(stands_by(self._name, holder, role=self._live.info.user))

    def _end(self, holder: Holder) -> None:
        self._watch = Watch()
        if end_holder(self._live, holder):
            log.warning("ended the session of a frozen publisher", session=str(holder))

    def _take_over(self) -> Tenure:
        source = read_source(self._live)
        epoch, position, stored_at, keeper, oid, stored = self._take_position()
        if self._margin is not None and stored != self._identity:
            self._republish(stored, stored_at - self._margin)
            epoch, position, _, keeper, oid, stored = self._take_position()
        guards.refuse_other_history(self._name, stored=stored, found=self._identity)
        self._compare(stored, epoch, stored_at)
        if self._inherited:
            disarm_restored(self._live, self._name, self._identity)
        if epoch == 1:
            self._announce(position)
        return Tenure(
            position,
            source,
            inherited=self._inherited,
            mirrored=keeper == "kafka",
            database=f"{self._identity.system_identifier}/{oid}",
            rebased=keeper == "rebased",
        )

    def _compare(self, stored: guards.Identity, epoch: int, stored_at: datetime) -> None:
        """See whether the position is another one's, or what came behind it is not certain any
        more.

        The epochs of two histories may go on alike. A crash takes back what the disk did not have,
        and transactions get numbers that snapshots of before count as past.
        """
        since = read_statistics_since(self._live)
        held, self._held = self._held, (stored, since, epoch)
        if held is not None and held[1] != since:
            log.warning("going back", reason=guards.CRASHED, to=stored_at.isoformat())
        self._inherited |= held != (stored, since, epoch - 1)

    def _take_position(self) -> tuple[int, Position, datetime, str, int, guards.Identity]:
        """Its epoch, where it is, when it was stored there, who kept it, the number of the
        database, and which history it belongs to."""
        epoch, prev, now, last_id, stored_at, keeper, oid, *history = self._one(
            statement("take_position"),
            name=self._name,
            keeper=self._keeper,
            system_identifier=self._identity.system_identifier,
            timeline=self._identity.timeline,
        )
        position = Position.parse(prev, now, last_id)
        return epoch, position, stored_at, keeper, oid, guards.Identity(*history)

    def _republish(self, stored: guards.Identity, since: datetime) -> None:
        """Adopt another history, and publish again what it may hold under ids used before."""
        moved = rebase_position(self._live, self._name, self._identity, since).position
        log.warning(
            "publishing again",
            reason=guards.other_history(self._name, stored=stored, found=self._identity),
            since=since.isoformat(timespec="seconds"),
            rows=read_backlog(self._live, moved).rows,
        )

    def _hang_bell(self) -> Bell | None:
        if shares_sessions(self._live, self._url):
            log.warning("polling", reason=guards.POOLED)
            return None
        return Bell(self._live)

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
        return _chunk(self._rows(_SPAN, **_span(pair, after, upto, limits)), limits)

    def foresee(self, pair: Position, after: int, upto: int, limits: Limits) -> Callable[[], Chunk]:
        with self._answering(_SPAN):
            foreseen = Foreseen(self._live, _SPAN, _span(pair, after, upto, limits))
        self._foreseen = foreseen

        def answer() -> Chunk:
            if self._foreseen is not foreseen:  # Its connection is gone.
                return self.span(pair, after, upto, limits)
            with self._answering(_SPAN):
                self._foreseen = None
                return _chunk(foreseen.rows(), limits)

        return answer

    def backlog(self, position: Position) -> Backlog:
        with self._answering("backlog"):
            return read_backlog(self._live, position)

    def parked(self) -> Sequence[Parked]:
        with self._answering("parked"):
            return read_parked(self._live, self._name)

    def park(self, parked: Parked) -> Parked:
        with self._answering("park"):
            return park(self._live, self._name, parked)

    def keep(self, parked: Parked) -> None:
        with self._answering("keep"):
            keep_parked(self._live, self._name, parked)

    def release(self, parked: Parked, request: Request | None = None, outcome: str = "") -> None:
        with self._answering("release"):
            release_parked(self._live, self._name, parked, request, outcome)

    def parked_within(self, parked: Parked) -> tuple[int, int]:
        until = parked.until or parked.position
        first, last, _ = self._one(
            _PARKED_WITHIN,
            xmin=str(parked.position.prev.xmin),
            prev=str(parked.position.prev),
            now=str(until.now or until.prev),
            after=parked.cursor,
        )
        return first, last

    def parked_rows(self, parked: Parked, after: int, upto: int, limits: Limits) -> Chunk:
        rows = self._rows(
            _PARKED_ROWS,
            **selection(parked),
            after=after,
            upto=upto,
            rows=limits.rows,
            bytes=limits.bytes,
        )
        return _chunk(rows, limits)

    def requests(self) -> Sequence[Request]:
        with self._answering("requests"):
            return read_requests(self._live, self._name)

    def answer(self, request: Request, outcome: str) -> None:
        with self._answering("answer"):
            answer_request(self._live, request, outcome)

    def confirm(self) -> int:
        rows = self._rows(_CONFIRM_POSITION, name=self._name, epoch=self._epoch)
        if not rows:
            raise self._fenced()
        return int(rows[0][0])

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
                    "keeper": self._keeper,
                },
            )
            if cursor.rowcount != 1:
                raise self._fenced()

    def disown(self) -> None:
        if not self._rows(_DISOWN_POSITION, name=self._name, epoch=self._epoch):
            raise self._fenced()

    def doze(self) -> bool:
        with self._answering("doze"):
            return self._bell is not None and self._bell.doze()

    @property
    def bell(self) -> int | None:
        return None if self._bell is None else self._bell.fileno()

    def rung(self) -> bool:
        with self._answering("rung"):
            return self._bell is not None and self._bell.rung()

    def rouse(self) -> None:
        with self._answering("rouse"):
            if self._bell is not None:
                self._bell.rouse()

    @property
    def _epoch(self) -> int | None:
        return None if self._held is None else self._held[2]

    def _fenced(self) -> Fenced | StandsBy:
        """Why the position was not written: only who lost the lock may have been succeeded."""
        holder = read_holder(self._live, self._name)
        if holder is None or holder.pid != self._live.info.backend_pid:
            self.close()
            return StandsBy(
                f"another publisher took the position {self._name!r} over while this one was "
                "frozen or cut off: this one stands by"
            )
        if all(standing.name != self._name for standing in read_standings(self._live)):
            return Fenced(
                f"the position {self._name!r} was removed while this publisher ran: start it "
                "again, and it publishes the table from its beginning"
            )
        return Fenced(
            f"the position {self._name!r} was moved by hand while this publisher ran: start it "
            "again, and it goes on from there"
        )

    def close(self) -> None:
        heartbeat, self._heartbeat = self._heartbeat, None
        self._foreseen = None
        connection, self._connection, self._bell = self._connection, None, None
        if heartbeat is not None:
            heartbeat.end()
        if connection is not None:
            connection.close()

    @property
    def _live(self) -> Connection:
        if self._connection is None:
            raise StoreUnavailable("the connection to PostgreSQL is closed: it is opened again")
        return self._connection

    def _rows(self, query: Any, **params: object) -> Sequence[tuple[Any, ...]]:
        with self._answering(query), self._live.cursor(binary=True) as cursor:
            return cursor.execute(query, params, prepare=True).fetchall()

    def _one(self, query: Any, **params: object) -> tuple[Any, ...]:
        (row,) = self._rows(query, **params)
        return row

    def _settle(self) -> None:
        """Take the answer to what is foreseen, so that the connection is free."""
        if (foreseen := self._foreseen) is not None:
            foreseen.rows()

    @contextmanager
    def _answering(self, kind: object) -> Iterator[None]:
        if self._foreseen is not None:
            with self._saying(_SPAN):
                self._settle()
        with self._saying(kind):
            yield

    @contextmanager
    def _saying(self, kind: object) -> Iterator[None]:
        """Close the connection where a statement of this kind fails."""
        try:
            with answering(self._live):
                yield
                if kind == self._slow:
                    self._slow, self._patience = None, PATIENCE
                    self._live.grant(PATIENCE)
        except StoreUnavailable as exc:
            if isinstance(exc, TimedOut) and self._connection is not None:  # in the innermost block
                # A window may be so large that its bounds take longer: do not ask in vain for ever.
                self._slow, self._patience = kind, min(2 * self._patience, _MOST_PATIENCE)
            self.close()
            raise


def _unseen(prev: Snapshot) -> Mapping[str, object]:
    return {"xmax": str(prev.xmax), "in_progress": array(prev.in_progress)}


def _span(pair: Position, after: int, upto: int, limits: Limits) -> Mapping[str, object]:
    return {
        "prev": str(pair.prev),
        "now": str(pair.now),
        "after": after,
        "upto": upto,
        "rows": limits.rows,
        "bytes": limits.bytes,
    }


def _chunk(rows: Sequence[tuple[Any, ...]], limits: Limits) -> Chunk:
    exhausted = len(rows) < limits.rows and (not rows or rows[-1][0] < limits.bytes)
    return Chunk([_row(row[1:]) for row in rows], exhausted)
