"""Our publisher beside other relays, in one run on the same servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, pairwise
from statistics import median

from benchmarks import latency, live
from benchmarks.database import outbox_database, record
from benchmarks.drain import FULL_SIZE, TIMES, Drain, Round, Run, in_turn
from benchmarks.figures import (
    Figure,
    Goal,
    Repeat,
    below_full_size,
    median_control,
    median_ratio,
    percentile,
)
from benchmarks.latency import Delays, Latency
from benchmarks.log import Log, NotMeasured
from benchmarks.modes import Mode, foremost
from benchmarks.peers.debezium import Debezium
from benchmarks.peers.python_relays import EVENTS, PEERS, Peer, Relay
from benchmarks.stage import Say, Stage, stage

REPEATS, LIVE_REPEATS = 5, 3
LIVE_RATE = 500
LOGICAL = {"wal_level": "logical"}
DEBEZIUM = "debezium"

# What Debezium is compared by, with our goals for each client.
DEBEZIUM_GOALS = {
    "kafka-python": {"rate": Goal(">=", 1), "cpu": Goal("<=", 0.5)},
    "librdkafka": {"rate": Goal(">=", 5), "cpu": Goal("<=", 0.125), "rss": Goal("<=", 0.125)},
}
PEER_GOALS = {"kafka-python": Goal(">=", 5), "librdkafka": Goal(">=", 20)}

Rounds = Mapping[str, Sequence[Round]]
"""By the other relay's name: ours, by their client, between two runs of that relay."""
Ours = Mapping[str, Callable[[], Run]]


def measure(events: int, modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Let each other relay drain between ours, and Debezium relay live events in turns with ours.

    One that is not in its turn is not there, and Debezium, which is kept warm, is stopped.
    """
    kept = [mode for mode in modes if mode.delivery == "at-least-once"]
    if not kept:
        raise NotMeasured("other relays are at least once: there is no mode to compare them with")
    with stage("peers", say, LOGICAL) as servers, ExitStack() as stack:
        ours = {mode.client: _ours(stack, servers, mode, events) for mode in kept}
        with _debezium(servers, events) as debezium:
            say(f"Debezium is warm after {events:,} events")
            rounds = {DEBEZIUM: _rounds(DEBEZIUM, partial(debezium.drain, events), ours, say)}
            delays = _delays(servers, debezium, foremost(kept), say)
        for peer in PEERS:
            with _other(servers, peer) as relay:
                drain = partial(relay.drain, min(events, EVENTS))
                say(f"warm-up: {peer.name} {drain().rate:,.0f}/s")
                rounds[peer.name] = _rounds(peer.name, drain, ours, say)
    drained = list(figures(rounds))
    judged = drained if events >= FULL_SIZE else below_full_size(drained)
    return [*judged, *live_figures(*delays)]


@contextmanager
def _debezium(servers: Stage, events: int) -> Iterator[Debezium]:
    with (
        outbox_database(servers.server) as url,
        Log.on(servers.broker, "benchmark.debezium") as log,
    ):
        live.prepare(url)
        with Debezium.on(url, log) as debezium:
            debezium.warm_up(events)
            yield debezium


def _ours(stack: ExitStack, servers: Stage, mode: Mode, events: int) -> Callable[[], Run]:
    url, backlog = stack.enter_context(outbox_database(servers.server)), events * TIMES[mode.client]
    record(url, servers.log.topic, backlog)
    return partial(Drain(url, servers.log, backlog).ours, mode)


@contextmanager
def _other(servers: Stage, peer: Peer) -> Iterator[Relay]:
    with (
        Log.on(servers.broker, f"benchmark.{peer.name}", peer.sequence) as log,
        Relay.on(peer, servers.server, log) as relay,
    ):
        yield relay


def _rounds(name: str, theirs: Callable[[], Run], ours: Ours, say: Say) -> list[Round]:
    """Their run at the end of a round begins the next one."""
    rounds, before = [], theirs()
    for number in range(REPEATS):
        found = {client: ours[client]() for client in in_turn(list(ours), number)}
        rounds.append(Round(before, theirs(), found))
        shown = ", ".join(f"{client} {run.rate:,.0f}/s" for client, run in found.items())
        after = rounds[-1].after
        say(f"{name} {before.rate:,.0f}/s, ours {shown}, {name} {after.rate:,.0f}/s")
        before = after
    return rounds


def figures(rounds: Rounds) -> Iterator[Figure]:
    """What each relay did, and how each of ours compares with the others around it."""
    for name, found in rounds.items():
        yield from _contestant(name if name == DEBEZIUM else f"peers.{name}", found)
    every = [each for found in rounds.values() for each in found]
    for client in sorted(every[0].ours):
        yield from _cost(f"ours.{client}", [each.ours[client] for each in every])
        for name, found in rounds.items():
            if name == DEBEZIUM:
                yield from _beside_debezium(client, found)
            else:
                ratio = median_ratio([each.beside(client) for each in found])
                yield Figure(f"peers.{name}.{client}.rate_ratio", ratio, PEER_GOALS[client])


def _contestant(title: str, rounds: Sequence[Round]) -> Iterator[Figure]:
    """Another relay, with what it did to the events: for its users to judge, not for us."""
    runs = _theirs(rounds)
    yield from _cost(title, runs)
    yield Figure(f"{title}.repeats", sum(run.arrivals.repeats for run in runs))
    yield Figure(f"{title}.inversions", sum(run.arrivals.inversions for run in runs))
    yield Figure(f"{title}.vs_itself", median_control([each.control for each in rounds]))


def _theirs(rounds: Sequence[Round]) -> list[Run]:
    return [rounds[0].before, *(each.after for each in rounds)]


def _cost(title: str, runs: Sequence[Run]) -> Iterator[Figure]:
    yield Figure(f"{title}.events_per_s", median(run.rate for run in runs))
    yield Figure(f"{title}.cpu_s_per_100k", median(run.cpu_s_per_100k for run in runs))
    yield Figure(f"{title}.rss_mb", _megabytes(runs))


def _beside_debezium(client: str, rounds: Sequence[Round]) -> Iterator[Figure]:
    goals, ours = DEBEZIUM_GOALS[client], [each.ours[client] for each in rounds]
    ratios = {
        "rate": median_ratio([each.beside(client) for each in rounds]),
        "cpu": median_ratio([each.beside(client, _cpu) for each in rounds]),
        "rss": _megabytes(ours) / _megabytes(_theirs(rounds)),
    }
    for what, ratio in ratios.items():
        yield Figure(f"debezium.{client}.{what}_ratio", ratio, goals.get(what))


def _cpu(run: Run) -> float:
    return run.cpu_s_per_100k


def _megabytes(runs: Sequence[Run]) -> float:
    return max(run.megabytes for run in runs)


@contextmanager
def _live(servers: Stage, mode: Mode) -> Iterator[Latency]:
    with outbox_database(servers.server) as url:
        live.prepare(url)
        yield Latency(mode, url, servers.log)


def _delays(
    servers: Stage, debezium: Debezium, mode: Mode, say: Say
) -> tuple[list[Delays], list[Delays]]:
    """Theirs come before, between and after ours."""
    with _live(servers, mode) as publisher:
        theirs, ours = [debezium.live(LIVE_RATE, latency.LIVE_SECONDS)], list[Delays]()
        for _ in range(LIVE_REPEATS):
            ours.append(publisher.ours(LIVE_RATE))
            theirs.append(debezium.live(LIVE_RATE, latency.LIVE_SECONDS))
            mine, other = latency.shown(ours[-1]), latency.shown(theirs[-1])
            say(f"{LIVE_RATE}/s: {mode} {mine}; Debezium {other}")
    return ours, theirs


def live_figures(ours: Sequence[Delays], theirs: Sequence[Delays]) -> Iterator[Figure]:
    """The tail of each run of ours over those around it; beside that, all delays of all runs."""
    tails = [percentile(delays, 99) for delays in theirs]
    repeats = [
        Repeat(before, percentile(delays, 99), after)
        for (before, after), delays in zip(pairwise(tails), ours, strict=True)
    ]
    yield Figure(f"latency.{LIVE_RATE}.p99_vs_debezium", median_ratio(repeats), Goal("<", 1))
    yield Figure(f"debezium.{LIVE_RATE}.p99_vs_itself", median_control(repeats))
    for name, runs in (("ours", ours), ("debezium", theirs)):
        every = [*chain.from_iterable(runs)]
        for percent in (50, 99):
            yield Figure(f"{name}.{LIVE_RATE}.p{percent}_ms", percentile(every, percent))
