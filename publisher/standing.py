"""Where the publishers stand, in the words that operators read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from publisher.guards import Identity
from publisher.leader import Holder
from publisher.ports import Backlog
from publisher.position import Position

CAP = 100_000
"""Rows that wait are counted up to here: the count stays a statement of milliseconds."""


def counted(rows: int) -> str:
    """A number of rows that wait, as honest as it was counted."""
    return f"{'at least ' if rows >= CAP else ''}{rows} row{'' if rows == 1 else 's'}"


def waiting(backlog: Backlog) -> str:
    """What waits, and since when."""
    if not backlog.rows:
        return "no row waits"
    wait = "waits" if backlog.rows == 1 else "wait"
    return f"{counted(backlog.rows)} {wait}, the oldest for {backlog.seconds:.1f} s"


def reached(at: Position) -> str:
    """What is published."""
    inside = f" inside {at.now}, published up to id {at.last_id}" if at.now else ""
    return f"after {at.prev}{inside}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of `outbox_position`, what lies behind it, and which session holds it now."""

    name: str
    epoch: int
    position: Position
    identity: Identity
    updated_at: datetime
    holder: Holder | None
    backlog: Backlog

    @property
    def runs(self) -> str:
        return f"a publisher runs ({self.holder})" if self.holder else "no publisher runs"

    def is_left_behind(self, horizon: datetime) -> bool:
        """Whether it was last stored before that, and not because nothing had to be published."""
        return self.updated_at < horizon and (self.holder is None or self.backlog.rows > 0)

    def __str__(self) -> str:
        return (
            f"{self.name}: {reached(self.position)}; {waiting(self.backlog)}; {self.runs}; "
            f"epoch {self.epoch}, {self.identity}, "
            f"stored {self.updated_at.isoformat(timespec='seconds')}"
        )
