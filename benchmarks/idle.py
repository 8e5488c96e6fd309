"""What a publisher costs while nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psutil
import psycopg

from benchmarks.database import outbox_database, record
from benchmarks.figures import Figure, Goal
from benchmarks.log import Log, NotMeasured
from benchmarks.modes import Mode
from benchmarks.process import Measured, publisher
from benchmarks.stage import Say, stage

IDLE_SECONDS, CALM_SECONDS = 15, 3
"""How long is measured, and how long the publisher gets before that to come to rest."""

_BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_SIZE = "SELECT pg_total_relation_size('outbox_position')"

Connection = psycopg.Connection[tuple[int]]


@dataclass(frozen=True, slots=True)
class Idle:
    """A stretch of time in which nothing is recorded."""

    cpu_percent: float
    growth: int


class OutOfSight(Exception):
    """The processes of PostgreSQL cannot be seen from here."""


def measure(modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Take the processor time of each mode's publisher and of its backends in PostgreSQL."""
    with stage("idle", say) as servers:
        found = {}
        for mode in modes:
            with outbox_database(servers.server) as url:
                try:
                    found[mode] = _idle(mode, url, servers.log)
                except OutOfSight as why:
                    say(f"idle is skipped: {why}")
                    return []
            say(f"{mode}: {found[mode].cpu_percent:.2f} %, grown by {found[mode].growth} bytes")
    return list(figures(found))


def figures(found: Mapping[Mode, Idle]) -> Iterator[Figure]:
    """The worst of all modes, and each."""
    worst = max(idle.cpu_percent for idle in found.values())
    yield Figure("idle.cpu_percent", worst, Goal("<", 1))
    grown = max(idle.growth for idle in found.values())
    yield Figure("idle.position_growth_bytes", grown, Goal("<=", 0))
    for mode, idle in found.items():
        yield Figure(f"idle.{mode}.cpu_percent", idle.cpu_percent)


def _idle(mode: Mode, url: str, log: Log) -> Idle:
    record(url, log.topic, 1)
    with (
        log.reading() as reading,
        publisher(mode, url, log.servers) as process,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        reading.wait_for(1, process.look, 60)
        reading.arrivals(1)
        time.sleep(CALM_SECONDS)
        return _stretch(process, connection)


def _stretch(process: Measured, connection: Connection) -> Idle:
    pids, size = _pids(connection), _one(connection, _SIZE)
    start, before = time.monotonic(), _cpu_seconds(process, pids)
    time.sleep(IDLE_SECONDS)
    spent, seconds = _cpu_seconds(process, pids) - before, time.monotonic() - start
    if _pids(connection) != pids:
        raise NotMeasured("the publisher changed its connections while it was idle")
    return Idle(100 * spent / seconds, _one(connection, _SIZE) - size)


def _pids(connection: Connection) -> set[int]:
    return {pid for (pid,) in connection.execute(_BACKENDS)}


def _cpu_seconds(process: Measured, pids: set[int]) -> float:
    process.look()
    return process.cpu_seconds + sum(map(_backend_seconds, pids))


def _backend_seconds(pid: int) -> float:
    try:
        backend = psutil.Process(pid)
        spent = backend.cpu_times()
        if "postgres" not in backend.name():
            raise OutOfSight(f"process {pid} is not the one that PostgreSQL means")
    except psutil.NoSuchProcess as exc:
        raise OutOfSight(f"process {pid} of PostgreSQL runs elsewhere") from exc
    return spent.user + spent.system


def _one(connection: Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None  # the statement has no FROM
    return row[0]
