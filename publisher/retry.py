"""The way back of what is set aside: in order, until it has caught up with the relay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from publisher.parking import Parking
from publisher.ports import Limits, Parked, Request, Row, Store
from publisher.position import Position, Progress

SPAN = 20_000
"""Ids that one statement looks through: the relay's own pages wait no longer than for one. It
doubles while nothing is found, because a gap may be as wide as the numbers are."""


class Retry:
    """Reads what is set aside, pass by pass: each ends where the relay stood when it began.

    A pass that begins while the relay stands still, and finds nothing more, is the last one.
    """

    def __init__(
        self,
        store: Store,
        parking: Parking,
        parked: Parked,
        position: Position,
        request: Request | None = None,
    ) -> None:
        self._store, self._parking, self.request = store, parking, request
        self.number = parked.id
        self.sent = 0
        self.closing = self.short = False
        self._skipped = parked.row if request is not None and request.verb == "skip" else None
        self._narrow_to = parked.row
        until = parked.until or position
        parking.keep(replace(parked, until=until, retries=parked.retries + 1))
        self.rewind()

    @property
    def parked(self) -> Parked:
        parked = self._parking.find(self.number)
        assert parked is not None  # noqa: S101  # it is released by its own retry alone
        return parked

    def rewind(self) -> None:
        """Read again behind what has arrived; nothing is on its way."""
        self.on_its_way = False
        self._span = SPAN
        self._bounds: tuple[int, int] | None = None

    def read(self, limits: Limits) -> Sequence[Row]:
        """The next rows: of one statement, so there may be none although the pass goes on."""
        first, last = self._within()
        upto = min(last, first + self._span)
        if self.parked.cursor < self._narrow_to:
            limits = replace(limits, rows=1)
        chunk = self._store.parked_rows(self.parked, first, upto, limits)
        end = upto if chunk.exhausted else chunk.rows[-1].id
        self._bounds = end, last
        self._span = SPAN if chunk.rows else 2 * self._span
        return self._wanted(chunk.rows)

    def _wanted(self, rows: Sequence[Row]) -> Sequence[Row]:
        if self.parked.key is None:
            return self._parking.sift(rows, topic=self.parked.topic)
        return [row for row in rows if row.id != self._skipped]

    def _within(self) -> tuple[int, int]:
        if self._bounds is None:
            first, last = self._store.parked_within(self.parked)
            self._bounds = max(first, self.parked.cursor), last
            self.short = self._bounds[1] - self._bounds[0] <= SPAN
        return self._bounds

    @property
    def over(self) -> bool:
        """Whether this pass has been read to its end."""
        return self._bounds is not None and self._bounds[0] >= self._bounds[1]

    def reached(self, row: int) -> Progress:
        """What is reached once this row has arrived."""
        until = self.parked.until
        assert until is not None  # noqa: S101  # it has begun
        return Progress(self.number, until, row)

    def arrived(self, rows: int, last: int) -> None:
        """So many rows have arrived, up to this one."""
        self.sent += rows
        self.on_its_way = False
        self._parking.keep(replace(self.parked, cursor=last))

    def narrow(self, upto: int) -> None:
        """One of the rows up to this one is refused: they go one by one."""
        self._narrow_to = max(self._narrow_to, upto)

    def next_pass(self, position: Position) -> None:
        """Go on with what the relay has passed over since the last pass began."""
        parked = self.parked
        until = parked.until or parked.position
        self._parking.keep(replace(parked, position=until, until=position, cursor=0))
        self.rewind()

    def held(self, reason: str) -> None:
        """It stays set aside as it is: its topic cannot be written now."""
        self._parking.keep(replace(self.parked, reason=reason))

    def refused(self, row: int, reason: str) -> None:
        """It stays set aside, from this row: what is before it has arrived or is given up."""
        cursor = max(self.parked.cursor, row - 1)
        self._parking.keep(replace(self.parked, row=row, reason=reason, cursor=cursor))
