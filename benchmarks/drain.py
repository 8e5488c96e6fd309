"""How fast a backlog leaves, beside the bare producer with the same records."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.database import outbox_database, record
from benchmarks.figures import Figure, Goal, Repeat, median_control, median_ratio
from benchmarks.log import Arrivals, Log, wait_until
from local.kafka import Broker, kafka
from local.postgres import Postgres, postgres
from local.process import Process
from local.scratch import ROOT, scratch

REPEATS = 3
_OURS, _BARE = "drain.kafka-python.at-least-once", "drain.kafka-python.bare"

Say = Callable[[str], None]


@dataclass(slots=True)
class Usage:
    """What a process took: resident memory at its peak, and time of all processors."""

    megabytes: float = 0.0
    cpu_seconds: float = 0.0

    def look(self, pid: int | None) -> None:
        process = psutil.Process(pid)
        spent = process.cpu_times()
        self.cpu_seconds = spent.user + spent.system
        self.megabytes = max(self.megabytes, _peak_bytes(process) / 1_000_000)


class Drain:
    """One backlog, drained again and again into one topic."""

    def __init__(
        self, server: Postgres, broker: Broker, log: Log, backlog: str, events: int
    ) -> None:
        self._server = server
        self._broker = broker
        self._log = log
        self._backlog = backlog
        self._events = events
        self.usage: list[Usage] = []
        self.bare_cpu_seconds: list[float] = []

    def bare(self) -> Arrivals:
        """The producer alone."""
        servers = self._broker.bootstrap_servers
        command = [sys.executable, "-m", "benchmarks.bare", self._backlog, servers]
        return self._log.arrivals(self._events, lambda _: self._run_bare(command))

    def ours(self) -> Arrivals:
        """The real publisher, on its own copy of the backlog."""
        with outbox_database(self._server, template=self._backlog) as url:
            env = {
                **os.environ,
                "PUBLISHER_DATABASE_URL": url,
                "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS": self._broker.bootstrap_servers,
                "PUBLISHER_HTTP": "127.0.0.1:0",
            }
            return self._log.arrivals(self._events, lambda arrived: self._run_ours(env, arrived))

    def _run_bare(self, command: Sequence[str]) -> None:
        with _running(command, os.environ.copy()) as process:
            if process.wait(300) != 0:
                process.check()
            self.bare_cpu_seconds.append(float(process.tail(1)))

    def _run_ours(self, env: dict[str, str], arrived: Callable[[], bool]) -> None:
        usage = Usage()

        def check() -> None:
            process.check()
            usage.look(process.pid)

        with _running([sys.executable, "-m", "publisher.cli", "run"], env) as process:
            wait_until(arrived, check)
            check()
        self.usage.append(usage)


def measure(events: int, say: Say) -> list[Figure]:
    """Drain the backlog between bare runs, and compare the medians."""
    with (
        kafka() as broker,
        Log.on(broker, "benchmark.drain") as log,
        postgres() as server,
        outbox_database(server) as backlog,
    ):
        say(f"drain: {server!r}, {broker!r}, {events:,} events")
        record(backlog, log.topic, events)
        drain = Drain(server, broker, log, backlog, events)
        say(f"warm-up: bare {drain.bare().rate:,.0f}/s")
        repeats = [_repeat(drain, say) for _ in range(REPEATS)]
    return [*speed(repeats), *cost(drain.usage, drain.bare_cpu_seconds, events)]


def _repeat(drain: Drain, say: Say) -> Repeat:
    repeat = Repeat(drain.bare().rate, drain.ours().rate, drain.bare().rate)
    say(
        f"bare {repeat.before:,.0f}/s, publisher {repeat.ours:,.0f}/s, "
        f"bare {repeat.after:,.0f}/s: {repeat.ratio:.2f}"
    )
    return repeat


def speed(repeats: Sequence[Repeat]) -> Iterator[Figure]:
    bare = [rate for repeat in repeats for rate in (repeat.before, repeat.after)]
    yield Figure(f"{_OURS}.vs_bare", median_ratio(repeats), Goal(">=", 0.75))
    yield Figure(f"{_OURS}.events_per_s", median(repeat.ours for repeat in repeats))
    yield Figure(f"{_BARE}.events_per_s", median(bare))
    yield Figure(f"{_BARE}.vs_bare", median_control(repeats))


def cost(
    usage: Sequence[Usage], bare_cpu_seconds: Sequence[float], events: int
) -> Iterator[Figure]:
    ours = median(used.cpu_seconds for used in usage)
    bare = median(bare_cpu_seconds)
    yield Figure(f"{_OURS}.rss_mb", max(used.megabytes for used in usage), Goal("<", 200))
    yield Figure(f"{_OURS}.cpu_s_per_100k", ours * 100_000 / events)
    yield Figure(f"{_BARE}.cpu_s_per_100k", bare * 100_000 / events)


@contextmanager
def _running(command: Sequence[str], env: dict[str, str]) -> Iterator[Process]:
    with scratch("benchmark") as folder:
        process = Process(command, log=folder / "output.log", env=env, cwd=ROOT)
        process.start()
        try:
            yield process
        finally:
            process.stop()


def _peak_bytes(process: psutil.Process) -> int:
    """The peak that Linux keeps for each process; elsewhere, what is resident now."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return int(process.memory_info().rss)
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
