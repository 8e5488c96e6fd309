"""Whether tables stay small and the relay fast over millions of rows and beside an old snapshot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg

from benchmarks.database import outbox_database, record
from benchmarks.figures import Figure, Goal
from benchmarks.log import NotMeasured, wait_until
from benchmarks.modes import Mode, foremost, titled
from benchmarks.process import Measured, publisher
from benchmarks.stage import Say, Stage, stage

EVENTS = 2_000_000
ROUNDS = 8
HELD = range(2, 6)
"""The rounds of the middle half, during which somebody reads in a snapshot from before them."""

RETENTION = {"PUBLISHER_RETENTION": "1s", "PUBLISHER_PRUNE_EVERY": "1s"}
SERVER = {"autovacuum_naptime": "1s"}
PATIENCE = 300.0
"""Seconds for a round to be published, and again for it to be removed."""

CALM = 60.0
"""Seconds in which autovacuum should have tidied up; if it has not, that is what is measured."""

_SIZES = """
SELECT
    pg_total_relation_size('outbox_event') / 1e6::float8,
    coalesce(pg_stat_get_dead_tuples('outbox_event'::regclass), 0),
    pg_total_relation_size('outbox_position') / 1e3::float8
"""
_LEFT = "SELECT EXISTS (SELECT FROM outbox_event)"
_HELD = "SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = %s"

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Round:
    """So many events, relayed and removed: events per second, the peak of the table that holds
    them, and what was left of them in the end."""

    events: int
    rate: float
    table_mb: float
    dead_rows: int
    position_kb: float
    held: bool

    def __str__(self) -> str:
        beside = ", beside an old snapshot" if self.held else ""
        return (
            f"{self.events:,} events: {self.rate:,.0f}/s, outbox_event {self.table_mb:.0f} MB with "
            f"{self.dead_rows:,} dead rows, outbox_position {self.position_kb:.0f} kB{beside}"
        )


def measure(events: int, modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Write, relay and remove round after round, in the middle ones beside an old snapshot."""
    mode = foremost(modes)
    with stage("soak", say, SERVER) as servers, outbox_database(servers.server) as url:
        rounds = list(_rounds(servers, url, mode, events // ROUNDS, say))
    return list(figures(titled("soak", mode), rounds))


def figures(title: str, rounds: Sequence[Round]) -> Iterator[Figure]:
    """The speed beside that of the first quarter; the sizes at their worst."""
    quarter = len(rounds) // 4
    first = median(each.rate for each in rounds[:quarter])
    last = median(each.rate for each in rounds[-quarter:])
    held = median(each.rate for each in rounds if each.held)
    free = [each for each in rounds if not each.held]
    before = max(each.table_mb for each in rounds[:-quarter])
    growth = max(each.table_mb for each in rounds[-quarter:]) / before
    yield Figure(f"{title}.rate_last_vs_first", last / first, Goal(">=", 0.9))
    yield Figure(f"{title}.rate_beside_old_snapshot_vs_first", held / first, Goal(">=", 0.9))
    yield Figure(f"{title}.table_growth", growth, Goal("<=", 1.05))
    yield Figure(f"{title}.table_mb", max(each.table_mb for each in rounds))
    dead = max(each.dead_rows / each.events for each in free)
    yield Figure(f"{title}.dead_share", dead, Goal("<=", 0.25))
    position = max(each.position_kb for each in rounds)
    yield Figure(f"{title}.position_kb", position, Goal("<=", 1_000))


def _rounds(servers: Stage, url: str, mode: Mode, events: int, say: Say) -> Iterator[Round]:
    with (
        publisher(mode, url, servers.log.servers, settings=RETENTION) as process,
        psycopg.connect(url, autocommit=True) as witness,
    ):
        soil = Soil(servers, url, process, witness, events)
        for numbers in (range(HELD.start), HELD, range(HELD.stop, ROUNDS)):
            with soil.old_snapshot(held=numbers == HELD):
                for _ in numbers:
                    found = soil.round(held=numbers == HELD)
                    say(str(found))
                    yield found
            soil.settle()


class Soil:
    """A database in which rows come and go while a publisher runs."""

    def __init__(
        self, servers: Stage, url: str, process: Measured, witness: Connection, events: int
    ) -> None:
        self._log, self._url, self._process = servers.log, url, process
        self._witness, self._events = witness, events
        self._peak = 0.0

    @contextmanager
    def old_snapshot(self, *, held: bool) -> Iterator[None]:
        """A report that runs as long as the block."""
        if not held:
            yield
            return
        with psycopg.connect(self._url) as old:
            old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            old.execute("SELECT count(*) FROM outbox_position")
            yield
            if self._witness.execute(_HELD, [old.info.backend_pid]).fetchone() != (True,):
                raise NotMeasured("the old snapshot was not there all the time")
            old.rollback()

    def round(self, *, held: bool) -> Round:
        """Write while the publisher relays; then wait until it has removed all of it."""
        self._peak = 0.0
        arrivals = self._log.arrivals(self._events, self._write)
        wait_until(self._is_empty, self._look, PATIENCE)
        if not held:
            self.settle()
        _, dead, position = self._sizes()
        return Round(self._events, arrivals.rate, self._peak, dead, position, held)

    def settle(self) -> None:
        """Give autovacuum its time."""
        deadline = time.monotonic() + CALM
        while self._sizes()[1] > self._events / 10 and time.monotonic() < deadline:
            time.sleep(0.5)

    def _write(self, arrived: Callable[[], bool]) -> None:
        record(self._url, self._log.topic, self._events)
        wait_until(arrived, self._look, PATIENCE)

    def _look(self) -> None:
        self._process.look()
        self._peak = max(self._peak, self._sizes()[0])

    def _is_empty(self) -> bool:
        time.sleep(0.5)
        return self._witness.execute(_LEFT).fetchone() == (False,)

    def _sizes(self) -> tuple[float, int, float]:
        """Megabytes and dead rows of the events, kilobytes of the positions."""
        ((megabytes, dead, kilobytes),) = self._witness.execute(_SIZES).fetchall()
        return megabytes, dead, kilobytes
