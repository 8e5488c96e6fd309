"""What a transaction of Kafka costs an event that comes alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from statistics import median

from benchmarks.database import outbox_database
from benchmarks.figures import Figure
from benchmarks.live import Ear, Heard, prepare, write
from benchmarks.modes import Mode
from benchmarks.process import publisher
from benchmarks.stage import Say, Stage, stage

EVENTS, RATE = 100, 10


def measure(modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Let events come alone, and take how long each lay in the log until it could be read."""
    with stage("commit", say) as servers:
        found = {}
        for mode in modes:
            found[mode] = _mode(servers, mode)
            say(f"{mode}: {median(found[mode]):.1f} ms from the append until it was read")
    return list(figures(found))


def figures(found: Mapping[Mode, Sequence[float]]) -> Iterator[Figure]:
    """Without transactions it is the time of reading alone."""
    names = {"exactly-once": "idle_commit_ms", "at-least-once": "without_transaction_ms"}
    for mode, waits in found.items():
        yield Figure(f"exactly_once.{mode.client}.{names[mode.delivery]}", median(waits))


def _mode(servers: Stage, mode: Mode) -> list[float]:
    with outbox_database(servers.server) as url:
        prepare(url)
        with publisher(mode, url, servers.log.servers) as process, Ear.on(servers.log) as ear:
            send = partial(write, url, servers.log.topic, RATE, EVENTS)
            _, heard = ear.during(EVENTS, process.look, send)
    return list(map(_wait, heard.values()))


def _wait(heard: Heard) -> float:
    return heard.at * 1_000 - heard.appended
