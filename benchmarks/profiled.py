"""On what the thread of the loop spends its time, in microseconds for each event.

`python -m benchmarks.profiled CLIENT DELIVERY DATABASE_URL BOOTSTRAP_SERVERS NAME EVENTS` relays so
many events of an outbox by the publisher's own loop, and prints its times in its last line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from benchmarks.database import outbox_database, record
from benchmarks.figures import Figure
from benchmarks.modes import Mode
from benchmarks.process import new_name, running
from benchmarks.stage import Say, Stage, stage
from publisher.config import Config
from publisher.health import Health
from publisher.relay import Relay
from publisher.service import make_broker, make_store, spare_the_collector
from publisher.stop import Stop

EVENTS = {"kafka-python": 20_000, "librdkafka": 200_000}
PATIENCE = 300

Times = Mapping[str, float]


class Clock:
    """Takes the processor time of this thread for each kind of work."""

    def __init__(self) -> None:
        self.seconds = defaultdict[str, float](float)

    def timed(self, kind: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                self.seconds[kind] += time.thread_time() - start

        return run


class Side:
    """The store or the broker of a relay, whose methods are timed, and what they return."""

    def __init__(self, inner: Any, clock: Clock, kind: str) -> None:
        self._inner, self._clock, self._kind = inner, clock, kind

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        return self._clock.timed(self._kind, self._with_answer(name, found))

    def _with_answer(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        if name == "foresee":
            return lambda *args: self._clock.timed(self._kind, work(*args))
        if name == "send":
            return lambda *args: Side(work(*args), self._clock, "reports")
        return work


def main(client: str, delivery: str, url: str, servers: str, name: str, events: str) -> None:
    config = Config(
        database_url=SecretStr(url),
        kafka_bootstrap_servers=servers,
        kafka_client=client,  # type: ignore[arg-type]  # it is checked there
        delivery=delivery,  # type: ignore[arg-type]  # it is checked there
        name=name,
    )
    stop, health, clock = Stop(), Health(), Clock()
    relay = Relay(
        store=Side(make_store(config, health, stop), clock, "store"),
        broker=Side(make_broker(config), clock, "send"),
        health=health,
    )
    spare_the_collector()
    times = _relayed(relay, health, clock, int(events))
    stop.set()
    relay.run(stop)
    print(json.dumps(times))


def _relayed(relay: Relay, health: Health, clock: Clock, events: int) -> Times:
    """What each event took of the thread, from the first acknowledged ones on."""
    while not health.acknowledged:
        relay.step()
    clock.seconds.clear()
    first, started = health.acknowledged, time.thread_time()
    while health.acknowledged < events:
        relay.step()
    spent = {**clock.seconds, "all": time.thread_time() - started}
    return {kind: seconds * 1e6 / (health.acknowledged - first) for kind, seconds in spent.items()}


def measure(modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Relay a backlog by each mode, and tell on what the time went."""
    with stage("profile", say) as servers:
        found = {}
        for mode in modes:
            found[mode] = _mode(servers, mode)
            say(f"{mode}: {', '.join(f'{kind} {us:.1f} us' for kind, us in found[mode].items())}")
    return list(figures(found))


def _mode(servers: Stage, mode: Mode) -> Times:
    with outbox_database(servers.server) as url:
        events = EVENTS[mode.client]
        record(url, servers.log.topic, events)
        arguments = [*mode, url, servers.log.servers, new_name(), str(events)]
        command = [sys.executable, "-m", "benchmarks.profiled", *arguments]
        with running(command, os.environ) as process:
            process.finish(PATIENCE)
            times: Times = json.loads(process.last_line)
    return times


def figures(found: Mapping[Mode, Times]) -> Iterator[Figure]:
    """What is neither the store nor the client is the loop itself."""
    for mode, times in found.items():
        parts = sum(spent for kind, spent in times.items() if kind != "all")
        for kind, microseconds in {**times, "loop": times["all"] - parts}.items():
            yield Figure(f"profile.{mode}.{kind}_us", microseconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
