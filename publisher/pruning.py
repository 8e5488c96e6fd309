"""Pruning: what is published, old enough and not set aside is removed, range by range."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from publisher.errors import Unavailable
from publisher.standing import Standing, waiting

FEWEST, FIRST, MOST = 100, 1_000, 5_000
"""Rows that one statement looks at: at least, at first and at most."""

STRETCH = 0.2
"""Seconds that one statement should take: rows with large values are removed fewer at once."""

BARREN = 1_000
"""So many rows in a row of which none may go end a run: ids and times run nearly together, so what
is behind them may not go either. Fewer are passed over, however they got their times."""

ANEW = 3_600.0
"""Seconds after which a run starts at the lowest id again. Others pass by what runs before them
have emptied, whose entries in the index an old snapshot may keep; only rows that became visible
late are there."""


@dataclass(frozen=True, slots=True)
class Range:
    """So many rows from an id on, the last of which is `upto`, and what became of them.

    `ripe` are old enough and published by everybody; of these `removed` went, and `parked` stay.
    `waits_for` names the positions for which rows that are old enough have to stay.
    """

    rows: int
    upto: int
    ripe: int
    removed: int
    parked: int
    waits_for: frozenset[str] = frozenset()


class Retained(Protocol):
    """The rows that are retained. Every method blocks for the time of a statement, and raises
    `StoreUnavailable` where the database cannot answer."""

    def prune(self, after: int, limit: int) -> Range:
        """Remove what may go of the next rows behind an id, at once or not at all."""

    def prune_requests(self, limit: int) -> int:
        """Remove some requests that were done long ago; return how many."""


@dataclass(slots=True)
class Pruned:
    """What a run removed, and what stays though it is old enough; `whole` unless it was ended."""

    rows: int = 0
    requests: int = 0
    parked: int = 0
    upto: int = 0
    waits_for: frozenset[str] = frozenset()
    whole: bool = False

    def add(self, found: Range) -> None:
        self.rows += found.removed
        self.parked += found.parked
        self.upto = found.upto
        self.waits_for |= found.waits_for


def report(done: Pruned, standings: Sequence[Standing], *, dry_run: bool) -> Iterator[str]:
    """What a run removed, or would, and what holds rows back; for operators."""
    verb = "would remove" if dry_run else "removed"
    yield f"{verb} {_counted(done.rows, 'row')} and {_counted(done.requests, 'done request')}"
    if not standings:
        yield "no publisher has run on this database yet: every row stays"
    for standing in standings:
        if standing.name in done.waits_for:
            yield _held_back(standing)
    if done.parked:
        yield f"{_counted(done.parked, 'row')} set aside stay: outbox-publisher parked list"


def _held_back(standing: Standing) -> str:
    name = standing.name
    text = (
        f"position {name!r} holds rows back: {waiting(standing.backlog)}; {standing.runs}; stored "
        f"{standing.updated_at.isoformat(timespec='seconds')}"
    )
    if standing.holder:
        return text
    return f"{text}. If it is not run any more: outbox-publisher position remove {name}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class Progress:
    """Tells once a second how far a run has come."""

    def __init__(
        self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell, self._clock = tell, clock
        self._told_at, self._rows = clock(), 0

    def __call__(self, done: Pruned) -> None:
        seconds = self._clock() - self._told_at
        if seconds >= 1:
            rate = (done.rows - self._rows) / seconds
            self._tell(f"{_counted(done.rows, 'row')}, up to id {done.upto}, {rate:,.0f}/s")
            self._told_at, self._rows = self._clock(), done.rows


class Pruner:
    """Removes range after range from the lowest id on, and rests as long as it worked.

    `rest` waits for some seconds, and is true where the run should end; `tell` hears of each range.
    """

    def __init__(
        self,
        *,
        rest: Callable[[float], bool],
        tell: Callable[[Pruned], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rest, self._tell, self._clock = rest, tell, clock
        self._limit = FIRST
        self._emptied, self._since = 0, clock()

    def prune(self, retained: Retained) -> Pruned:
        """Remove what may go. Raises what `retained` raises."""
        done, barren = Pruned(upto=self._start()), 0
        while True:
            asked, found, took = self._next(retained, done.upto)
            if found.removed == found.rows and done.upto <= self._emptied:
                self._emptied = max(found.upto, self._emptied)
            done.add(found)
            self._tell(done)
            barren = 0 if found.ripe else barren + found.rows
            if found.rows < asked or barren >= BARREN:
                break
            if self._rest(took):
                return done
        done.requests = self._requests(retained)
        done.whole = True
        return done

    def _start(self) -> int:
        if self._clock() - self._since < ANEW:
            return self._emptied
        self._since = self._clock()
        return 0

    def _next(self, retained: Retained, after: int) -> tuple[int, Range, float]:
        asked, started = self._limit, self._clock()
        try:
            found = retained.prune(after, asked)
        except Unavailable:
            self._limit = max(FEWEST, asked // 2)
            raise
        took = self._clock() - started
        if took > STRETCH:
            self._limit = max(FEWEST, asked // 2)
        elif took < STRETCH / 2:
            self._limit = min(MOST, asked * 2)
        return asked, found, took

    def _requests(self, retained: Retained) -> int:
        removed = 0
        while (some := retained.prune_requests(MOST)) == MOST:
            removed += some
        return removed + some
