"""A store in memory, for tests of the relay and of what embeds it.

`MemoryDatabase` keeps transactions as PostgreSQL does: ids are drawn when a row is written, rows
show when their transaction commits, and a snapshot tells which transactions have ended.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from publisher.errors import (
    Fenced,
    StandsBy,
    StoreUnavailable,
    TimelineChanged,
)
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


class Transaction:
    """A writer. Its id is drawn at the first write or `touch`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._xid: int | None = None

    def touch(self) -> int:
        """Draw the transaction id, as a write to any table does."""
        if self._xid is None:
            self._xid = self._database.next_xid
            self._database.next_xid += 1
            self._database.running.add(self._xid)
        return self._xid

    def record(self, *, key: bytes = b"k", value: bytes | None = b"{}", topic: str = "t") -> int:
        """Write an outbox row; return its id."""
        xid = self.touch()
        (self._database.ringing if self._database.asleep else self._database.silent).add(xid)
        row_id = len(self._database.rows) + 1
        event_id = str(UUID(int=row_id)).encode()
        time = b"2026-01-01T00:00:00.000000Z"
        row = Row(row_id, event_id, topic, key, "test.event", 1, key, value, None, time)
        self._database.rows.append((xid, row))
        return row_id

    def commit(self) -> None:
        if self._xid is not None:
            self._database.committed.add(self._xid)
            self._database.end(self._xid, rings=self._xid in self._database.ringing)

    def rollback(self) -> None:
        if self._xid is not None:
            self._database.end(self._xid, rings=False)


class MemoryDatabase:
    """Rows and transactions, and the position that outlives a publisher."""

    def __init__(self, *, source: str = "/test") -> None:
        self.source = source
        self.position = Position()
        self.keeper = "database"
        self.disowned = False
        self.parked: dict[int, Parked] = {}
        self.drawn = 0
        self.requests: list[Request] = []
        self.outcomes: dict[Request, str] = {}
        self.saves = 0
        self.epoch = 0
        self.next_xid = 100
        self.running: set[int] = set()
        self.committed: set[int] = set()
        self.rows: list[tuple[int, Row]] = []
        self.bells: list[MemoryBell] = []
        self.asleep: set[MemoryBell] = set()
        self.silent: set[int] = set()
        self.ringing: set[int] = set()

    def begin(self) -> Transaction:
        return Transaction(self)

    def end(self, xid: int, *, rings: bool) -> None:
        """A transaction is over; `rings` where it committed what it wrote while somebody slept."""
        for transactions in (self.running, self.silent, self.ringing):
            transactions.discard(xid)
        if rings:
            for bell in self.bells:
                bell.ring()

    def visible(self) -> list[tuple[int, Row]]:
        """Every row that a reader could see now, with its transaction, by id."""
        return [(xid, row) for xid, row in self.rows if xid in self.committed]

    def snapshot(self) -> Snapshot:
        xmin = min(self.running, default=self.next_xid)
        return Snapshot(xmin, self.next_xid, tuple(sorted(self.running)))


class MemoryBell:
    """A pipe with a byte in it once it rang."""

    def __init__(self) -> None:
        self.fileno, self._button = os.pipe()
        for end in (self.fileno, self._button):
            os.set_blocking(end, False)
            weakref.finalize(self, os.close, end)

    def ring(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._button, b"!")

    def rung(self) -> bool:
        with suppress(BlockingIOError):
            return bool(os.read(self.fileno, 2**16))
        return False


class MemoryStore:
    """A `Store`; `outage` makes every call fail until it is None again, `holder` every `open`."""

    def __init__(self, database: MemoryDatabase | None = None, *, keeper: str = "database") -> None:
        self.database = database or MemoryDatabase()
        self.keeper = keeper
        self.outage: str | None = None
        self.holder: str | None = None
        self._epoch = -1
        self._open = False
        self._bell = MemoryBell()
        self.database.bells.append(self._bell)

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> Tenure:
        self._open = True
        self._answer()
        if self.holder is not None:
            self._open = False
            raise StandsBy(self.holder)
        if self.database.disowned:
            raise TimelineChanged("the position belongs to no history: rebase it")
        self.database.epoch += 1
        inherited = self.database.epoch != self._epoch + 1
        self._epoch = self.database.epoch
        if self.keeper == "database":
            self.database.keeper = "database"
        mirrored = self.database.keeper == "kafka"
        return Tenure(self.database.position, self.database.source, inherited, mirrored)

    def small_window(self, prev: Snapshot, limits: Limits) -> SmallWindow:
        self._answer()
        rows = [row for xid, row in self.database.visible() if not prev.sees(xid)]
        fits = len(rows) <= limits.rows and sum(map(_size, rows)) <= limits.bytes
        return SmallWindow(self.database.snapshot(), rows if fits else None)

    def bounds(self, pair: Position) -> Bounds:
        self._answer()
        left = [(xid, row.id) for xid, row in self._window(pair) if row.id > pair.last_id]
        fresh = [row_id for xid, row_id in left if xid >= pair.prev.xmax]
        return Bounds(min(fresh, default=None), max((i for _, i in left), default=0), len(left))

    def stragglers(self, pair: Position, after: int, below: int, limits: Limits) -> Chunk:
        self._answer()
        late = (row for xid, row in self._window(pair) if xid < pair.prev.xmax)
        return _cut([row for row in late if after < row.id < below], limits)

    def span(self, pair: Position, after: int, upto: int, limits: Limits) -> Chunk:
        self._answer()
        return _cut([row for _, row in self._window(pair) if after < row.id <= upto], limits)

    def foresee(self, pair: Position, after: int, upto: int, limits: Limits) -> Callable[[], Chunk]:
        chunk = self.span(pair, after, upto, limits)

        def answer() -> Chunk:
            self._answer()
            return chunk

        return answer

    def backlog(self, position: Position) -> Backlog:
        self._answer()
        rows = sum(not position.covers(xid, row.id) for xid, row in self.database.visible())
        return Backlog(rows, float(rows > 0))

    def parked(self) -> Sequence[Parked]:
        self._answer()
        return list(self.database.parked.values())

    def park(self, parked: Parked) -> Parked:
        self._answer()
        self.database.drawn += 1
        self.database.parked[self.database.drawn] = replace(parked, id=self.database.drawn)
        return self.database.parked[self.database.drawn]

    def keep(self, parked: Parked) -> None:
        self._answer()
        self.database.parked[parked.id] = parked

    def release(self, parked: Parked, request: Request | None = None, outcome: str = "") -> None:
        self._answer()
        self.database.parked.pop(parked.id)
        if request is not None:
            self.database.outcomes[request] = outcome

    def parked_within(self, parked: Parked) -> tuple[int, int]:
        self._answer()
        ids = [row.id for row in self._set_aside(parked)]
        return min(ids, default=1) - 1, max(ids, default=0)

    def parked_rows(self, parked: Parked, after: int, upto: int, limits: Limits) -> Chunk:
        self._answer()
        return _cut([row for row in self._set_aside(parked) if after < row.id <= upto], limits)

    def _set_aside(self, parked: Parked) -> list[Row]:
        until = parked.until or parked.position
        return [
            row
            for xid, row in self.database.visible()
            if row.topic == parked.topic
            and parked.key in (None, row.key)
            and until.covers(xid, row.id)
            and not parked.position.covers(xid, row.id)
        ]

    def requests(self) -> Sequence[Request]:
        self._answer()
        answered = self.database.outcomes
        return [request for request in self.database.requests if request not in answered]

    def answer(self, request: Request, outcome: str) -> None:
        self._answer()
        self.database.outcomes[request] = outcome

    def confirm(self) -> int:
        self._answer()
        if self._epoch != self.database.epoch:
            raise Fenced("the position was moved by hand")
        return self.database.snapshot().xmax

    def disown(self) -> None:
        self.confirm()
        self.database.disowned = True

    def save(self, position: Position) -> None:
        self.confirm()
        self.database.position, self.database.keeper = position, self.keeper
        self.database.saves += 1

    def doze(self) -> bool:
        self._answer()
        if self.database.silent:
            return False
        self.database.asleep.add(self._bell)
        return True

    @property
    def bell(self) -> int:
        return self._bell.fileno

    def rung(self) -> bool:
        self._answer()
        return self._bell.rung()

    def rouse(self) -> None:
        self._answer()
        self.database.asleep.discard(self._bell)
        self._bell.rung()

    def close(self) -> None:
        self._open = False
        self.database.asleep.discard(self._bell)

    def _answer(self) -> None:
        if self.outage is not None or not self._open:
            self.close()
            raise StoreUnavailable(self.outage or "the store is closed")

    def _window(self, pair: Position) -> Iterable[tuple[int, Row]]:
        now = pair.now or pair.prev
        for xid, row in self.database.visible():
            if now.sees(xid) and not pair.prev.sees(xid):
                yield xid, row


def _size(row: Row) -> int:
    return len(row.value or b"")


def _cut(rows: list[Row], limits: Limits) -> Chunk:
    page: list[Row] = []
    total = 0
    for row in rows[: limits.rows]:
        if total >= limits.bytes:
            break
        page.append(row)
        total += _size(row)
    return Chunk(page, len(page) == len(rows) and len(rows) < limits.rows)
