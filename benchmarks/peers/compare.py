"""Our publisher beside other relays, in one run on the same servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median

from benchmarks import latency, live
from benchmarks.database import outbox_database, record
from benchmarks.drain import TIMES, Drain, Run, in_turn
from benchmarks.figures import Figure, Goal, percentile
from benchmarks.latency import Delays, Latency
from benchmarks.log import Log, NotMeasured
from benchmarks.modes import Mode, foremost
from benchmarks.peers.debezium import Debezium
from benchmarks.peers.python_relays import PEERS, Peer, Relay
from benchmarks.stage import Say, Stage, stage

REPEATS, LIVE_REPEATS = 5, 3
LIVE_RATE = 500
LOGICAL = {"wal_level": "logical"}

# What Debezium is compared by, with our goals for each client.
DEBEZIUM_GOALS = {
    "kafka-python": {"rate": Goal(">=", 1), "cpu": Goal("<=", 0.5)},
    "librdkafka": {"rate": Goal(">=", 5), "cpu": Goal("<=", 0.125), "rss": Goal("<=", 0.125)},
}
PEER_GOALS = {"kafka-python": Goal(">=", 5), "librdkafka": Goal(">=", 20)}

Runs = Mapping[str, Sequence[Run]]
"""The runs of each contestant; ours by their client."""
Contestants = Mapping[str, Callable[[], Run]]


def measure(events: int, modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Let all of them drain in turns, then ours and Debezium relay live events in turns."""
    ours = [mode for mode in modes if mode.delivery == "at-least-once"]
    if not ours:
        raise NotMeasured("other relays are at least once: there is no mode to compare them with")
    with stage("peers", say, LOGICAL) as servers, ExitStack() as stack:
        debezium = _debezium(stack, servers, events)
        say(f"Debezium is warm after {events:,} events")
        contestants: Contestants = {
            "debezium": partial(debezium.drain, events),
            **{mode.client: _ours(stack, servers, mode, events) for mode in ours},
            **{peer.name: _other(stack, servers, peer) for peer in PEERS},
        }
        runs = _runs(contestants, say)
        delays = _delays(stack, servers, debezium, foremost(ours), say)
    return [*figures(runs), *live_figures(*delays)]


def _debezium(stack: ExitStack, servers: Stage, events: int) -> Debezium:
    url = stack.enter_context(outbox_database(servers.server))
    live.prepare(url)
    log = stack.enter_context(Log.on(servers.broker, "benchmark.debezium"))
    debezium = stack.enter_context(Debezium.on(url, log))
    debezium.warm_up(events)
    return debezium


def _ours(stack: ExitStack, servers: Stage, mode: Mode, events: int) -> Callable[[], Run]:
    url, backlog = stack.enter_context(outbox_database(servers.server)), events * TIMES[mode.client]
    record(url, servers.log.topic, backlog)
    return partial(Drain(url, servers.log, backlog).ours, mode)


def _other(stack: ExitStack, servers: Stage, peer: Peer) -> Callable[[], Run]:
    log = stack.enter_context(Log.on(servers.broker, f"benchmark.{peer.name}", peer.sequence))
    return stack.enter_context(Relay.on(peer, servers.server, log)).drain


def _runs(contestants: Contestants, say: Say) -> Runs:
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    for number in range(REPEATS):
        for name in in_turn(list(contestants), number):
            runs[name].append(contestants[name]())
        say(", ".join(f"{name} {found[-1].rate:,.0f}/s" for name, found in runs.items()))
    return runs


def figures(runs: Runs) -> Iterator[Figure]:
    """What each contestant did, and how ours compares with each of the others."""
    clients = [name for name in runs if name in PEER_GOALS]
    for name, found in runs.items():
        if name in clients:
            yield from _cost(f"ours.{name}", found)
        else:
            yield from _contestant(name if name == "debezium" else f"peers.{name}", found)
    for client in clients:
        yield from _beside_debezium(client, runs[client], runs["debezium"])
        for name in (name for name in runs if name not in {"debezium", *clients}):
            ratio = _rate(runs[client]) / _rate(runs[name])
            yield Figure(f"peers.{name}.{client}.rate_ratio", ratio, PEER_GOALS[client])


def _contestant(title: str, runs: Sequence[Run]) -> Iterator[Figure]:
    """Another relay, with what it did to the events: for its users to judge, not for us."""
    yield from _cost(title, runs)
    yield Figure(f"{title}.repeats", sum(run.arrivals.repeats for run in runs))
    yield Figure(f"{title}.inversions", sum(run.arrivals.inversions for run in runs))


def _cost(title: str, runs: Sequence[Run]) -> Iterator[Figure]:
    yield Figure(f"{title}.events_per_s", _rate(runs))
    yield Figure(f"{title}.cpu_s_per_100k", _cpu(runs))
    yield Figure(f"{title}.rss_mb", _megabytes(runs))


def _beside_debezium(client: str, ours: Sequence[Run], theirs: Sequence[Run]) -> Iterator[Figure]:
    goals = DEBEZIUM_GOALS[client]
    ratios = {
        "rate": _rate(ours) / _rate(theirs),
        "cpu": _cpu(ours) / _cpu(theirs),
        "rss": _megabytes(ours) / _megabytes(theirs),
    }
    for what, ratio in ratios.items():
        yield Figure(f"debezium.{client}.{what}_ratio", ratio, goals.get(what))


def _rate(runs: Sequence[Run]) -> float:
    return median(run.rate for run in runs)


def _cpu(runs: Sequence[Run]) -> float:
    return median(run.cpu_s_per_100k for run in runs)


def _megabytes(runs: Sequence[Run]) -> float:
    return max(run.megabytes for run in runs)


def _delays(
    stack: ExitStack, servers: Stage, debezium: Debezium, mode: Mode, say: Say
) -> tuple[Delays, Delays]:
    url = stack.enter_context(outbox_database(servers.server))
    live.prepare(url)
    publisher, ours, theirs = Latency(mode, url, servers.log), list[float](), list[float]()
    for _ in range(LIVE_REPEATS):
        ours += (mine := publisher.ours(LIVE_RATE))
        theirs += (other := debezium.live(LIVE_RATE, latency.LIVE_SECONDS))
        say(f"{LIVE_RATE}/s: {mode} {latency.shown(mine)}; Debezium {latency.shown(other)}")
    return ours, theirs


def live_figures(ours: Delays, theirs: Delays) -> Iterator[Figure]:
    """All delays of all runs together."""
    ratio = percentile(ours, 99) / percentile(theirs, 99)
    yield Figure(f"latency.{LIVE_RATE}.p99_vs_debezium", ratio, Goal("<", 1))
    for name, delays in (("ours", ours), ("debezium", theirs)):
        for percent in (50, 99):
            yield Figure(f"{name}.{LIVE_RATE}.p{percent}_ms", percentile(delays, percent))
