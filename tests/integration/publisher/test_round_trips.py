"""How often the relay asks the database: fixed numbers, counted on the wire."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from publisher.adapters import heartbeat
from publisher.adapters.connection import Connection
from publisher.adapters.memory_broker import MemoryBroker
from publisher.adapters.postgres import PostgresStore
from publisher.health import Health
from publisher.ports import Limits
from publisher.relay import Relay
from publisher.window import Window
from tests.integration.publisher.plans import retained
from tests.integration.publisher.wire import Wire, wire
from tests.writers import write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="psycopg traces on Linux only")

TICK = 1 / 128
"""Seconds, of which a binary fraction is an exact sum."""


class Bench:
    """A relay from PostgreSQL to a broker in memory, whose time stands still."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._trace, self._now = url, folder / "trace", 0.0
        self.store, self.broker = PostgresStore(url), MemoryBroker()
        self.relay = Relay(
            store=self.store, broker=self.broker, health=Health(), clock=lambda: self._now
        )

    def drain(self, rows: int) -> None:
        """Step until so many rows more have arrived."""
        arrived = len(self.broker.log) + rows
        while len(self.broker.log) < arrived:
            self.relay.step()

    def live(self, windows: int, *, seconds: float = 0.0) -> None:
        """Write ten rows before each step, which take so many seconds."""
        for _ in range(windows):
            write(self._url, *[b"k"] * 10)
            self.relay.step()
            self._now += seconds

    @contextmanager
    def counted(self) -> Iterator[Wire]:
        with wire(self.store._live, self._trace) as seen:
            yield seen


@pytest.fixture
def bench(
    migrated_database_url: str,
    connection: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    """One that has prepared each statement of the loop, and has nothing to do; no heartbeat is
    counted, however long it takes."""
    monkeypatch.setattr(heartbeat, "PULSE", 3_600.0)
    bench = Bench(migrated_database_url, tmp_path)
    try:
        for _ in range(2):
            retained(connection, 5_000)
            bench.drain(5_000)
        yield bench
    finally:
        bench.store.close()


def test_a_frozen_window_costs_three_statements_and_each_page_of_it_one(
    bench: Bench, connection: Connection
) -> None:
    retained(connection, 10_000)
    window = Window(bench.store, bench.relay._position, limits=Limits())
    with bench.counted() as seen:
        pages = list[int]()
        while rows := window.read().rows:
            window.foresee()
            pages.append(len(rows))
    assert pages == [2_000] * 5
    look, bounds, stragglers = 1, 1, 1
    assert seen.statements == look + bounds + stragglers + 5 + look
    assert seen.round_trips == seen.statements


def test_a_drain_takes_less_than_one_round_trip_for_a_thousand_events(
    bench: Bench, connection: Connection
) -> None:
    retained(connection, 10_000)
    with bench.counted() as seen:
        bench.drain(10_000)
    assert seen == Wire(statements=9, round_trips=9)


def test_in_live_traffic_a_window_takes_one_round_trip_however_many_events_it_has(
    bench: Bench,
) -> None:
    with bench.counted() as seen:
        bench.live(100)
        bench.drain(10)
    assert seen == Wire(statements=101, round_trips=101)


def test_what_comes_by_time_is_five_statements_a_second(bench: Bench) -> None:
    windows = 2 * 128 + 1
    with bench.counted() as seen:
        bench.live(windows, seconds=TICK)
    saves, backlogs, requests = 2 * 4, 1, 1
    assert seen.statements == windows + saves + backlogs + requests
