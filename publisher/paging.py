"""How many rows the next page may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from publisher.ports import Limits, Row
from publisher.position import Position

SPREAD = 4
"""How far the size of an atomic page may move from what is configured, either way."""


class PageSize:
    """The limits of a page: as configured, smaller around a row that Kafka refuses.

    Atomic pages are made larger or smaller so that one takes about `seconds`, and are halved until
    a refused row is alone. Of others the acknowledged part stays, so that the next try has one row:
    nothing behind the refused one may arrive again and again.
    """

    def __init__(self, limits: Limits, *, seconds: float) -> None:
        self._limits, self._seconds = limits, seconds
        self._rows = limits.rows
        self._refused: int | None = None
        self._narrow = 1

    @property
    def limits(self) -> Limits:
        rows = self._rows if self._refused is None else self._narrow
        return replace(self._limits, rows=rows)

    @property
    def narrowed(self) -> bool:
        return self._refused is not None

    def narrow(self, rows: Sequence[Row], first: int, upto: int, *, atomic: bool) -> None:
        """Of these rows, which were not taken, one from row `first` to row `upto` is refused."""
        good = sum(row.id < first for row in rows)
        suspects = sum(first <= row.id <= upto for row in rows)
        self._refused = upto
        self._narrow = (good or max(1, suspects // 2)) if atomic else 1

    def passed(self, position: Position) -> bool:
        """The position moved; True where it has passed the refused row just now."""
        if self._refused is None or (position.now and position.last_id < self._refused):
            return False
        self._refused = None
        return True

    def took(self, rows: int, seconds: float) -> None:
        """An atomic page of so many rows was on its way for so long."""
        if rows < self._rows or self._refused is not None:
            return
        least, most = max(1, self._limits.rows // SPREAD), self._limits.rows * SPREAD
        if seconds < self._seconds / 2:
            self._rows = min(most, self._rows * 2)
        elif seconds > self._seconds * 2:
            self._rows = max(least, self._rows // 2)
