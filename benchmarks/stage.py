"""The servers of a benchmark, and a topic of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.log import Log
from local.kafka import Broker, kafka
from local.postgres import Postgres, postgres

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """PostgreSQL, Kafka and a topic whose times are the broker's."""

    server: Postgres
    broker: Broker
    log: Log


@contextmanager
def stage(name: str, say: Say, settings: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """The servers for as long as the block runs; `say` is told which they are.

    `settings` are PostgreSQL's, where it is started here.
    """
    with (
        kafka() as broker,
        Log.on(broker, f"benchmark.{name}") as log,
        postgres(settings=settings) as server,
    ):
        say(f"{name}: {server!r}, {broker!r}")
        yield Stage(server, broker, log)
