"""How fast a backlog leaves, beside the bare producer with the same records."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.database import outbox_database, record
from benchmarks.figures import Figure, Goal, Repeat, below_full_size, median_control, median_ratio
from benchmarks.log import Arrivals, Log
from benchmarks.modes import CLIENTS, Mode
from benchmarks.process import publisher, running
from benchmarks.stage import Say, Stage, stage

FULL_SIZE = 100_000
"""Events for the slower client; with fewer, no goal is judged."""

# The faster client needs a longer backlog for a time that can be measured, and more of them where
# the speed of the machine drifts between one and the next.
TIMES = {"kafka-python": 1, "librdkafka": 5}
REPEATS = {"kafka-python": 5, "librdkafka": 7}
VS_BARE = {
    "kafka-python.at-least-once": Goal(">=", 0.9),
    "librdkafka.at-least-once": Goal(">=", 0.55),
}
SLOWEST, PATIENCE = 500, 300
"""A run is given up that takes so many seconds longer than so few events a second would."""


@dataclass(frozen=True, slots=True)
class Run:
    """One drain: its speed, when it was started, and what the process that sent took."""

    arrivals: Arrivals
    cpu_seconds: float
    megabytes: float = 0.0
    started: float = 0.0

    @property
    def rate(self) -> float:
        return self.arrivals.rate

    @property
    def cpu_s_per_100k(self) -> float:
        return self.cpu_seconds * 100_000 / self.arrivals.events

    @property
    def first_record_s(self) -> float:
        """From the start of the process to the first append."""
        return self.arrivals.began / 1_000 - self.started


def _rate(run: Run) -> float:
    return run.rate


@dataclass(frozen=True, slots=True)
class Round:
    """Ours in each of its ways, between two runs of what they are compared with."""

    before: Run
    after: Run
    ours: Mapping[str, Run]

    def beside(self, which: str, figure: Callable[[Run], float] = _rate) -> Repeat:
        return Repeat(figure(self.before), figure(self.ours[which]), figure(self.after))

    @property
    def control(self) -> Repeat:
        """The run before beside that after: they are of one kind."""
        return Repeat(self.before.rate, self.before.rate, self.after.rate)


class Drain:
    """A backlog that is drained again and again into one topic."""

    def __init__(self, url: str, log: Log, events: int) -> None:
        self._url = url
        self._log = log
        self._events = events

    def bare(self, client: str) -> Run:
        """The producer alone."""
        command = [sys.executable, "-m", "benchmarks.bare", client, self._url, self._log.servers]
        with self._log.reading() as reading, running(command, os.environ) as process:
            process.finish(self._patience)
            return Run(reading.arrivals(self._events), float(process.last_line))

    def ours(
        self, mode: Mode, name: str | None = None, settings: Mapping[str, str] | None = None
    ) -> Run:
        """The real publisher, from the beginning of the table unless `name` has been there."""
        with self._log.reading() as reading:
            started = time.time()
            with publisher(mode, self._url, self._log.servers, name, settings) as process:
                reading.wait_for(self._events, process.look, self._patience)
                arrivals = reading.arrivals(self._events)
                process.look()
                return Run(arrivals, process.cpu_seconds, process.megabytes, started)

    @property
    def _patience(self) -> float:
        return PATIENCE + self._events / SLOWEST


def measure(events: int, modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Drain a backlog by each client between bare runs of it, and compare the medians."""
    with stage("drain", say) as servers:
        found = [
            figure
            for client in CLIENTS
            if (deliveries := [mode.delivery for mode in modes if mode.client == client])
            for figure in _client(servers, client, deliveries, events * TIMES[client], say)
        ]
    return found if events >= FULL_SIZE else below_full_size(found)


def _client(
    servers: Stage, client: str, deliveries: Sequence[str], events: int, say: Say
) -> list[Figure]:
    with outbox_database(servers.server) as backlog:
        record(backlog, servers.log.topic, events)
        drain = Drain(backlog, servers.log, events)
        say(f"{client}, {events:,} events; warm-up: bare {drain.bare(client).rate:,.0f}/s")
        return list(figures(client, _rounds(drain, client, deliveries, say)))


def _rounds(drain: Drain, client: str, deliveries: Sequence[str], say: Say) -> list[Round]:
    """What is bare at the end of a round begins the next one."""
    rounds, before = [], drain.bare(client)
    for number in range(REPEATS[client]):
        turn = in_turn(deliveries, number)
        ours = {delivery: drain.ours(Mode(client, delivery)) for delivery in turn}
        rounds.append(Round(before, drain.bare(client), ours))
        say(_shown(rounds[-1]))
        before = rounds[-1].after
    return rounds


def _shown(found: Round) -> str:
    ours = (
        f"{delivery} {run.rate:,.0f}/s ({found.beside(delivery).ratio:.2f})"
        for delivery, run in found.ours.items()
    )
    return f"bare {found.before.rate:,.0f}/s, {', '.join(ours)}, bare {found.after.rate:,.0f}/s"


def in_turn(items: Sequence[str], number: int) -> Sequence[str]:
    """Each item is the first in its turn, so that a drift of the machine meets all of them."""
    start = number % len(items)
    return [*items[start:], *items[:start]]


def figures(client: str, rounds: Sequence[Round]) -> Iterator[Figure]:
    """What the rounds of a client say, under the names that stay."""
    bare = [run for each in rounds for run in (each.before, each.after)]
    for delivery in sorted(rounds[0].ours):
        repeats = [each.beside(delivery) for each in rounds]
        yield from _mode(str(Mode(client, delivery)), repeats, [r.ours[delivery] for r in rounds])
    yield Figure(f"drain.{client}.bare.events_per_s", median(run.rate for run in bare))
    yield Figure(f"drain.{client}.bare.vs_bare", median_control([each.control for each in rounds]))
    yield Figure(f"drain.{client}.bare.cpu_s_per_100k", median(r.cpu_s_per_100k for r in bare))
    if len(rounds[0].ours) > 1:
        yield _exactly_once(client, rounds)


def _mode(mode: str, repeats: Sequence[Repeat], runs: Sequence[Run]) -> Iterator[Figure]:
    yield Figure(f"drain.{mode}.vs_bare", median_ratio(repeats), VS_BARE.get(mode))
    yield Figure(f"drain.{mode}.events_per_s", median(run.rate for run in runs))
    yield Figure(f"drain.{mode}.rss_mb", max(run.megabytes for run in runs), Goal("<", 200))
    yield Figure(f"drain.{mode}.cpu_s_per_100k", median(run.cpu_s_per_100k for run in runs))


def _exactly_once(client: str, rounds: Sequence[Round]) -> Figure:
    ratio = median(
        each.ours["exactly-once"].rate / each.ours["at-least-once"].rate for each in rounds
    )
    return Figure(f"drain.{client}.exactly-once.vs_at_least_once", ratio, Goal(">=", 0.8))
