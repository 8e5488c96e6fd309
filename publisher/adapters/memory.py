"""A store and a broker in memory, for tests of the relay and of what embeds it.

`MemoryStore` keeps transactions as PostgreSQL does: ids are drawn when a row is written, rows show
when their transaction commits, and a snapshot tells which transactions have ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count
from uuid import UUID

from publisher.errors import (
    BrokerUnavailable,
    Fenced,
    RecordRejected,
    StoreUnavailable,
    Unavailable,
)
from publisher.ports import Backlog, Bounds, Chunk, Limits, Record, Row, SmallWindow, Tenure
from publisher.position import Position, Snapshot


class Transaction:
    """A writer. Its id is drawn at the first write or `touch`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._xid: int | None = None

    def touch(self) -> int:
        """Draw the transaction id, as a write to any table does."""
        if self._xid is None:
            self._xid = self._store._begin()
        return self._xid

    def record(self, *, key: bytes = b"k", value: bytes | None = b"{}", topic: str = "t") -> int:
        """Write an outbox row; return its id."""
        xid = self.touch()
        return self._store._insert(xid, topic, key, value)

    def commit(self) -> None:
        self._store._end(self._xid, committed=True)

    def rollback(self) -> None:
        self._store._end(self._xid, committed=False)


class MemoryStore:
    """A `Store`; `outage` makes every call fail until it is None again."""

    def __init__(self, *, source: str = "/test") -> None:
        self.outage: str | None = None
        self.position = Position()
        self.saves = 0
        self.epoch = 0
        self._source = source
        self._mine = 0
        self._open = False
        self._ids = count(1)
        self._next_xid = 100
        self._running: set[int] = set()
        self._committed: set[int] = set()
        self._rows: list[tuple[int, Row]] = []

    def begin(self) -> Transaction:
        return Transaction(self)

    def committed_rows(self) -> list[Row]:
        """Every row that a reader could see now, by id."""
        return [row for xid, row in self._rows if xid in self._committed]

    def snapshot(self) -> Snapshot:
        xmin = min(self._running, default=self._next_xid)
        return Snapshot(xmin, self._next_xid, tuple(sorted(self._running)))

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> Tenure:
        self._answer(opened=True)
        self._open = True
        inherited = self.epoch != self._mine
        self.epoch += 1
        self._mine = self.epoch
        return Tenure(self.position, self._source, inherited)

    def small_window(self, prev: Snapshot, limits: Limits) -> SmallWindow:
        self._answer()
        rows = [row for xid, row in self._rows if xid in self._committed and not prev.sees(xid)]
        fits = len(rows) <= limits.rows and sum(map(_size, rows)) <= limits.bytes
        return SmallWindow(self.snapshot(), rows if fits else None)

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

    def backlog(self, position: Position) -> Backlog:
        self._answer()
        rows = [
            1 for x, row in self._rows if x in self._committed and not position.covers(x, row.id)
        ]
        return Backlog(len(rows), float(bool(rows)))

    def save(self, position: Position) -> None:
        self._answer()
        if self._mine != self.epoch:
            raise Fenced("another publisher took the position over")
        self.position = position
        self.saves += 1

    def close(self) -> None:
        self._open = False

    def _answer(self, *, opened: bool = False) -> None:
        if self.outage is not None or not (self._open or opened):
            self._open = False
            raise StoreUnavailable(self.outage or "the store is closed")

    def _window(self, pair: Position) -> Iterable[tuple[int, Row]]:
        for xid, row in self._rows:
            if (
                xid in self._committed
                and pair.now
                and pair.now.sees(xid)
                and not pair.prev.sees(xid)
            ):
                yield xid, row

    def _begin(self) -> int:
        xid, self._next_xid = self._next_xid, self._next_xid + 1
        self._running.add(xid)
        return xid

    def _insert(self, xid: int, topic: str, key: bytes, value: bytes | None) -> int:
        row_id = next(self._ids)
        event_id = str(UUID(int=row_id)).encode()
        time = b"2026-01-01T00:00:00.000000Z"
        self._rows.append(
            (xid, Row(row_id, event_id, topic, key, "test.event", 1, key, value, None, time))
        )
        return row_id

    def _end(self, xid: int | None, *, committed: bool) -> None:
        if xid is not None:
            self._running.remove(xid)
            if committed:
                self._committed.add(xid)


class MemoryDelivery:
    """A page that is acknowledged as far as its broker says."""

    def __init__(self, broker: MemoryBroker, records: Sequence[Record]) -> None:
        self._broker = broker
        self._records = records
        self._acknowledged = 0
        self.error: Unavailable | None = None

    @property
    def stopped(self) -> bool:
        return False

    def settle(self, timeout: float) -> int:
        while self._acknowledged < len(self._records) and self.error is None:
            record = self._records[self._acknowledged]
            if record.id in self._broker.rejected:
                self.error = RecordRejected(f"row {record.id} is rejected")
            elif self._broker.outage is not None:
                self.error = BrokerUnavailable(self._broker.outage)
            elif self._broker.frozen or record.id > self._broker.acknowledge_upto:
                break
            else:
                self._broker.log.append(record)
                self._acknowledged += 1
        return self._acknowledged


class MemoryBroker:
    """A `Broker` that can be frozen, lost, and made to stop after a given row."""

    def __init__(self) -> None:
        self.log: list[Record] = []
        self.missing: dict[str, str] = {}
        self.rejected: set[int] = set()
        self.outage: str | None = None
        self.frozen = False
        self.acknowledge_upto = 2**63
        self._open = False

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        if self.outage is not None:
            raise BrokerUnavailable(self.outage)
        self._open = True

    def unavailable(self, topics: Collection[str]) -> Mapping[str, str]:
        return {topic: why for topic, why in self.missing.items() if topic in topics}

    def forget_topics(self) -> None:
        """`missing` is asked each time."""

    def send(self, records: Sequence[Record]) -> MemoryDelivery:
        return MemoryDelivery(self, records)

    def close(self, timeout: float = 0.0) -> None:
        self._open = False


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
