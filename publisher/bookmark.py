"""The position in the store, which follows the relay's at a pace of its own."""

from __future__ import annotations

from collections.abc import Callable

from publisher.health import Health
from publisher.ports import Backlog, Store
from publisher.position import Position


class Bookmark:
    """Stores the position `every` so many seconds, and measures what lies behind it.

    An old snapshot keeps every version of the row that is written, so it is written seldom.
    """

    def __init__(
        self,
        *,
        store: Store,
        health: Health,
        every: float,
        measure_every: float,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._health, self._clock = store, health, clock
        self._every, self._measure_every = every, measure_every
        self._stored = Position()
        self._stored_at = self._measured_at = clock()

    def found(self, position: Position) -> None:
        """The store has this position, which somebody else stored."""
        self._stored = position

    def is_at(self, position: Position) -> bool:
        return self._stored == position

    def follow(self, position: Position) -> None:
        """Store it, and measure the backlog behind it, where it is time to."""
        now = self._clock()
        if self._stored != position and now - self._stored_at >= self._every:
            self.store(position)
        if now - self._measured_at >= self._measure_every:
            self._measured_at = now
            self._health.measured(self._store.backlog(position))

    def store(self, position: Position) -> None:
        self._store.save(position)
        self._stored, self._stored_at = position, self._clock()
        self._health.position_known()

    def skip(self, start: Position, end: Position) -> None:
        """Nothing lies between these two: what is stored is as good as the end."""
        if self._stored == start:
            self._stored = end
            self._health.position_known()

    def nothing_left(self) -> None:
        """The relay has just seen that the backlog is empty."""
        self._measured_at = self._clock()
        self._health.measured(Backlog(0, 0.0))

    def measure_soon(self) -> None:
        self._measured_at = float("-inf")
