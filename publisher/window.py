"""The window: what the database shows now and did not show before, page by page in id order.

Ids are drawn when a row is written and rows become visible when their transaction commits, so no
cursor over ids (or over transaction ids) can tell what is new. The difference of two snapshots
can: nothing is lost, nothing comes twice, and two events of one key keep their order, because the
second one drew its id after the first one's transaction had ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from publisher.ports import Bounds, Chunk, Limits, Row, Store
from publisher.position import Position, Snapshot

SPAN = 4
"""Width of a primary key range, in pages: bounds the work of a statement where ids have gaps. It
doubles while nothing is found, because a gap may be as wide as the numbers are."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in id order, between two positions."""

    rows: Sequence[Row]
    start: Position
    end: Position

    def after(self, count: int) -> Position:
        """The position once the first `count` rows are published."""
        if count == len(self.rows):
            return self.end
        if count == 0:
            return self.start
        now = self.start.now or self.end.now or self.end.prev
        return Position(self.start.prev, now, self.rows[count - 1].id)


class Window:
    """Reads on from a position. Reading publishes nothing: a new window repeats the rest."""

    def __init__(self, store: Store, position: Position, *, limits: Limits) -> None:
        self._store = store
        self.limits = limits
        self._at = position
        self._bounds: Bounds | None = None
        self._foreseen: tuple[int, Callable[[], Chunk]] | None = None

    def read(self) -> Page:
        """Read the next page; one without rows when nothing is new."""
        if self._at.now is None:
            small = self._store.small_window(self._at.prev, self.limits)
            if small.rows is not None:
                return self._advance(small.rows, Position(small.now))
            self._at = Position(self._at.prev, small.now)
        return self._read_frozen(self._at.now or self._at.prev)

    def foresee(self) -> None:
        """Have the store begin with what `read` will ask for next, where that is known."""
        bounds, cursor = self._bounds, self._at.last_id
        if bounds is None or self._foreseen is not None or cursor < _fresh_from(bounds) - 1:
            return
        upto = min(bounds.last, cursor + SPAN * self.limits.rows)
        self._foreseen = upto, self._store.foresee(self._at, cursor, upto, self.limits)

    def _read_frozen(self, now: Snapshot) -> Page:
        if self._bounds is None:
            self._bounds = self._store.bounds(self._at)
        rows, cursor = self._next_rows(self._bounds)
        if cursor < self._bounds.last:
            return self._advance(rows, Position(self._at.prev, now, cursor))
        self._bounds = None
        return self._advance(rows, Position(now))

    def _next_rows(self, bounds: Bounds) -> tuple[Sequence[Row], int]:
        cursor, rows = self._at.last_id, list[Row]()
        fresh_from = _fresh_from(bounds)
        if cursor < fresh_from - 1:
            chunk = self._store.stragglers(self._at, cursor, fresh_from, self.limits)
            rows, cursor = list(chunk.rows), _cursor(chunk, fresh_from - 1)
        width = SPAN * self.limits.rows
        while not rows and cursor < bounds.last:
            chunk, upto = self._span(cursor, min(bounds.last, cursor + width))
            rows, cursor = list(chunk.rows), _cursor(chunk, upto)
            width *= 2
        return rows, cursor

    def _span(self, cursor: int, upto: int) -> tuple[Chunk, int]:
        """A range of ids, and where it ends."""
        if self._foreseen is None:
            return self._store.span(self._at, cursor, upto, self.limits), upto
        (upto, answer), self._foreseen = self._foreseen, None
        return answer(), upto

    def _advance(self, rows: Sequence[Row], end: Position) -> Page:
        page = Page(rows, self._at, end)
        self._at = end
        return page


def _fresh_from(bounds: Bounds) -> int:
    return bounds.last + 1 if bounds.fresh_from is None else bounds.fresh_from


def _cursor(chunk: Chunk, end: int) -> int:
    return end if chunk.exhausted else chunk.rows[-1].id
