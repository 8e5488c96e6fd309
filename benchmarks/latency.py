"""How long a committed event takes to reach a consumer, beside a producer alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from benchmarks.database import outbox_database
from benchmarks.figures import Figure, Goal, percentile
from benchmarks.live import Ear, Times, milliseconds, prepare, require_pace, write
from benchmarks.log import Log
from benchmarks.modes import Mode, foremost, titled
from benchmarks.process import Measured, new_name, publisher, running
from benchmarks.stage import Say, stage

RATES = (500, 2_000)
REPEATS = 3
LIVE_SECONDS = 10
WARM_UP, WARM_UP_RATE = 200, 100

Delays = Sequence[float]


class Latency:
    """One publisher and one topic, with events at a steady pace again and again."""

    def __init__(self, mode: Mode, url: str, log: Log, seconds: int = LIVE_SECONDS) -> None:
        self._mode, self._url, self._log, self._seconds = mode, url, log, seconds
        self._name = new_name()

    def ours(self, rate: int) -> Delays:
        """Milliseconds from the end of each commit to the consumer."""
        with (
            publisher(self._mode, self._url, self._log.servers, self._name) as process,
            Ear.on(self._log) as ear,
        ):
            return live(ear, self._url, self._log.topic, rate, self._seconds, process.look)

    def floor(self, rate: int) -> Delays:
        """Milliseconds from giving a record to the client alone to the same consumer."""
        events = rate * self._seconds
        words = [self._mode.client, self._log.servers, self._log.topic, str(rate), str(events)]
        with (
            Ear.on(self._log) as ear,
            running([sys.executable, "-m", "benchmarks.floor", *words], os.environ) as process,
        ):
            return milliseconds(ear, events, lambda: None, lambda: _sent(process, rate))


def live(
    ear: Ear, url: str, topic: str, rate: int, seconds: int, check: Callable[[], None]
) -> Delays:
    """Milliseconds from the end of each commit to the consumer, behind a relay that is warm."""
    milliseconds(ear, WARM_UP, check, lambda: write(url, topic, WARM_UP_RATE, WARM_UP))
    events = rate * seconds
    return milliseconds(ear, events, check, lambda: write(url, topic, rate, events))


def _sent(process: Measured, rate: int) -> Times:
    process.finish(300)
    times = json.loads(process.last_line)
    require_pace(times, rate)
    return dict(enumerate(times, 1))


def measure(modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Time the fastest mode between runs of the floor."""
    mode = foremost(modes)
    with stage("latency", say) as servers, outbox_database(servers.server) as url:
        prepare(url)
        latency = Latency(mode, url, servers.log)
        return [
            figure
            for rate in RATES
            for figure in figures(titled("latency", mode), rate, *_runs(latency, rate, say))
        ]


def _runs(latency: Latency, rate: int, say: Say) -> tuple[list[Delays], list[Delays]]:
    """Floor and publisher in turns, behind a turn that does not count: Kafka compiles itself as it
    goes, and answers the first records of a rate many times later than the others."""
    latency.floor(rate)
    latency.ours(rate)
    floors, ours = [latency.floor(rate)], []
    for _ in range(REPEATS):
        ours.append(latency.ours(rate))
        floors.append(latency.floor(rate))
        say(f"{rate:,}/s: {shown(ours[-1])}; a producer alone {shown(floors[-1])}")
    return floors, ours


def shown(delays: Delays) -> str:
    return f"p50 {percentile(delays, 50):.1f} ms, p99 {percentile(delays, 99):.1f} ms"


def figures(
    title: str, rate: int, floors: Sequence[Delays], ours: Sequence[Delays]
) -> Iterator[Figure]:
    """All delays of all runs together; the control is how far the floors lie apart."""
    every, least = [*chain.from_iterable(ours)], [*chain.from_iterable(floors)]
    over = percentile(every, 50) - percentile(least, 50)
    medians = [percentile(floor, 50) for floor in floors]
    yield Figure(f"{title}.{rate}.p50_over_floor_ms", over, Goal("<=", 5))
    yield Figure(f"{title}.{rate}.p50_ms", percentile(every, 50))
    yield Figure(f"{title}.{rate}.p99_ms", percentile(every, 99))
    yield Figure(f"{title}.{rate}.floor_p50_ms", percentile(least, 50))
    yield Figure(f"{title}.{rate}.floor_p99_ms", percentile(least, 99))
    yield Figure(f"{title}.{rate}.control_ms", max(medians) - min(medians))
