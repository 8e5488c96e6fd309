"""What a small window costs behind millions of rows that are published and retained."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from statistics import median

import psycopg

from benchmarks.database import outbox_database
from benchmarks.figures import Figure, Goal
from local.postgres import postgres
from publisher.adapters.postgres import PostgresStore
from publisher.ports import Limits
from publisher.position import Position, Snapshot

RETAINED = 5_000_000
PER_TRANSACTION = 1_000
SMALL, LARGE = 10, 5_000
RUNS = 50

_INSERT = """
INSERT INTO outbox_event (event_id, topic, key, type, version, value)
SELECT gen_random_uuid(), 'topic', '\\x6b', 'benchmark.window', 1, '\\x7b7d'
FROM generate_series(1, %s::bigint)
"""
# A statistics run in the middle would mix what is measured apart.
_NO_AUTOVACUUM = "ALTER TABLE outbox_event SET (autovacuum_enabled = off)"
# Thousands of commits need not wait for the disk: what they leave in the tables is the same.
_NO_WAITING = "SET synchronous_commit = off"

Say = Callable[[str], None]
Connection = psycopg.Connection[tuple[str]]


def measure(say: Say) -> list[Figure]:
    """Time both statements, before and after ANALYZE; the slower state counts."""
    with postgres() as server, outbox_database(server) as url, old_writer(url):
        say(f"window: {server!r}, {RETAINED:,} retained rows")
        with psycopg.connect(url, autocommit=True) as connection:
            retain(connection, RETAINED)
            small, bounds = zip(*_states(connection, url, say), strict=True)
    return figures(small, bounds)


def figures(small: Sequence[Sequence[float]], bounds: Sequence[Sequence[float]]) -> list[Figure]:
    """The numbers of milliseconds, which are given for each state."""
    return [
        Figure("window.small_behind_5m.ms", max(map(median, small)), Goal("<", 5)),
        Figure("window.small_behind_5m.worst_ms", max(map(max, small))),
        Figure("window.bounds_behind_5m.ms", max(map(median, bounds)), Goal("<", 20)),
        Figure("window.bounds_behind_5m.worst_ms", max(map(max, bounds))),
    ]


@contextmanager
def old_writer(url: str) -> Iterator[None]:
    """Somebody else's transaction, open since before the first row: every snapshot names it."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_current_xact_id()")
        yield


def retain(connection: Connection, rows: int) -> None:
    """Store rows in as many transactions as an app would need; never vacuumed or analyzed."""
    connection.execute(_NO_AUTOVACUUM)
    connection.execute(_NO_WAITING)
    for _ in range(rows // PER_TRANSACTION):
        connection.execute(_INSERT, [PER_TRANSACTION])


def _states(
    connection: Connection, url: str, say: Say
) -> Iterator[tuple[Sequence[float], Sequence[float]]]:
    for state in ("without statistics", "with statistics"):
        times = _times(connection, url)
        for what, found in zip(("small window", "bounds"), times, strict=True):
            say(f"{what} {state}: median {median(found):.2f} ms, worst {max(found):.2f} ms")
        yield times
        connection.execute("ANALYZE outbox_event")


def _times(connection: Connection, url: str) -> tuple[list[float], list[float]]:
    """Milliseconds of a small window, then of the bounds of one that exceeds a page."""
    limits = Limits()
    with closing(PostgresStore(url)) as store:
        store.open()
        prev = _snapshot(connection)
        assert prev.in_progress  # else the second half of the statement has nothing to do
        connection.execute(_INSERT, [SMALL])
        small = _milliseconds(lambda: store.small_window(prev, limits).rows, SMALL)
        connection.execute(_INSERT, [LARGE])
        pair = Position(prev, _snapshot(connection))
        bounds = _milliseconds(lambda: range(store.bounds(pair).rows), SMALL + LARGE)
    return small, bounds


def _milliseconds(read: Callable[[], Sequence[object] | None], rows: int) -> list[float]:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        found = read()
        times.append((time.perf_counter() - start) * 1_000)
        if found is None or len(found) != rows:
            raise AssertionError(f"{rows} rows were to be found, not {found!r}")
    return times


def _snapshot(connection: Connection) -> Snapshot:
    row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    assert row is not None  # the statement has no FROM
    return Snapshot.parse(row[0])
