"""What an operator asks first: is it alive, is it ready, and if not, what does it wait for?"""

from __future__ import annotations

import time
from collections.abc import Callable

from publisher.ports import Backlog

Clock = Callable[[], float]

STALL = 60.0
"""Seconds without a turn of the loop after which the process counts as dead."""


class Health:
    """The state of one publisher, written by its loop and read by the HTTP thread."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._turned = self._position_known = self._measured = clock()
        self._backlog: Backlog | None = None
        self._pruned_at: float | None = None
        self._waits_for: str | None = "the first connection"
        self.active = False
        self.acknowledged = 0
        self.pruned = 0
        self.waits = 0
        self.parked: list[str] = []

    def turned(self) -> None:
        """The loop is alive."""
        self._turned = self._clock()

    def waits_for(self, reason: str) -> bool:
        """Nothing can be published for this reason. True where the reason is news."""
        news, self._waits_for = reason != self._waits_for, reason
        self.waits += 1
        return news

    def goes_on(self) -> bool:
        """Nothing stands in the way. True where something did."""
        news, self._waits_for = self._waits_for is not None, None
        return news

    def measured(self, backlog: Backlog) -> None:
        """The backlog was read from the database just now."""
        self._backlog, self._measured = backlog, self._clock()

    def out_of_sight(self) -> None:
        """The database cannot be asked: what was measured tells nothing any more."""
        self._backlog = None

    def position_known(self) -> None:
        """The stored position tells the truth just now."""
        self._position_known = self._clock()

    def pruned_all(self) -> None:
        """Nothing that may be removed is left just now, or that is not this process's part."""
        self._pruned_at = self._clock()

    @property
    def alive(self) -> bool:
        return self._clock() - self._turned < STALL

    @property
    def ready(self) -> bool:
        return self.reason is None

    @property
    def reason(self) -> str | None:
        """What the publisher waits for; None while it is ready."""
        if self._waits_for is None and not self.alive:
            return f"the loop itself, which has not turned for {STALL:.0f} s: restart the process"
        return self._waits_for

    @property
    def lag_rows(self) -> int | None:
        """Rows not published; None while the database cannot be asked."""
        return None if self._backlog is None else self._backlog.rows

    @property
    def lag_seconds(self) -> float | None:
        """The age of the oldest row that is not published; grows between measurements."""
        if self._backlog is None:
            return None
        if not self._backlog.rows:
            return 0.0
        return self._backlog.seconds + self._clock() - self._measured

    @property
    def position_age(self) -> float:
        """Seconds since the stored position was known to tell the truth."""
        return self._clock() - self._position_known

    @property
    def prune_age(self) -> float | None:
        """Seconds since everything was removed that may go; None where this process does not."""
        if self._pruned_at is None or not self.active:
            return None
        return self._clock() - self._pruned_at
