"""What has been published, as snapshots of the database."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A `pg_snapshot`: `xmin:xmax:in-progress,...` of 64-bit transaction ids."""

    xmin: int
    xmax: int
    in_progress: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read PostgreSQL's text form, such as `10:20:10,14,15`."""
        xmin, xmax, xips = text.split(":")
        return cls(int(xmin), int(xmax), tuple(map(int, filter(None, xips.split(",")))))

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.in_progress))}"

    def sees(self, xid: int) -> bool:
        """Whether a transaction that committed is visible, as `pg_visible_in_snapshot` tells."""
        if xid < self.xmin or xid >= self.xmax:
            return xid < self.xmin
        at = bisect_left(self.in_progress, xid)
        return self.in_progress[at : at + 1] != (xid,)

    def below(self, xid: int) -> Snapshot:
        """What it sees of the transactions below that one."""
        xmax = min(self.xmax, xid)
        return Snapshot(min(self.xmin, xmax), xmax, tuple(x for x in self.in_progress if x < xmax))

    def within(self, later: Snapshot) -> bool:
        """Whether the other one sees all that this one sees."""
        return self.xmax <= later.xmax and not any(map(self.sees, later.in_progress))


NOTHING = Snapshot(1, 1)
"""The snapshot that sees no transaction: a position there publishes every retained row."""


@dataclass(frozen=True, slots=True)
class Position:
    """All rows that `prev` sees are published.

    While a window is frozen, `now` is its upper snapshot, and of the rows that `now` sees and
    `prev` does not, those with an id up to `last_id` are published too.
    """

    prev: Snapshot = NOTHING
    now: Snapshot | None = None
    last_id: int = 0

    @classmethod
    def parse(cls, prev: str, now: str | None, last_id: int) -> Position:
        """Read it as it is stored."""
        return cls(Snapshot.parse(prev), Snapshot.parse(now) if now else None, last_id)

    @property
    def seen(self) -> Snapshot:
        """The newest snapshot in it."""
        return self.now or self.prev

    def covers(self, xid: int, row_id: int) -> bool:
        """Whether the row of that transaction and id is published."""
        if self.prev.sees(xid):
            return True
        return self.now is not None and row_id <= self.last_id and self.now.sees(xid)

    def below(self, xid: int) -> Position:
        """What it covers of the transactions below that one.

        To be read on from only where it is no window: `now` may be no snapshot that ever was.
        """
        return replace(self, prev=self.prev.below(xid), now=self.now and self.now.below(xid))

    def repeating(self, xid: int, here: Snapshot, first: int | None) -> Position:
        """Where to go on so that everything from that transaction on comes again.

        `here` is a snapshot of now, which sees nothing of what is open; `first` the lowest id of a
        row that comes again and that `now` sees, if any.

        No row that is unpublished is covered. Of the transactions below `xid`, what `prev` sees
        is published, and so is what `now` sees up to `last_id`: all that was recorded since the
        two histories parted has a transaction that comes again. From `xid` on, `prev` is cut off.
        `now` is not, for a window that is cut by number could show an event without an earlier one
        of its key. What it sees has ended `here`, or it is of no use; so all rows that it shows
        from `xid` on are there already, and the lowest of them is `first`: below, there is none.
        """
        prev, now = self.prev.below(xid), self.now
        if now is None or not (now.xmax <= xid or now.within(here)):
            return Position(prev)
        return Position(prev, now, self.last_id if first is None else min(self.last_id, first - 1))


class Progress(NamedTuple):
    """How far the retry of something parked has come: of what `until` covers, up to id `cursor`."""

    parked: int
    until: Position
    cursor: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is reached once a page has arrived."""

    position: Position
    retried: Progress | None = None
