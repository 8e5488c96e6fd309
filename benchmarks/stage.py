"""The servers of a benchmark, and a topic of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient

from benchmarks.log import Log
from benchmarks.process import NAMES
from local.kafka import Broker, kafka
from local.postgres import Postgres, postgres
from publisher.adapters.journal import Journal

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
        try:
            yield Stage(server, broker, log)
        finally:
            _remove_positions(broker)


def _remove_positions(broker: Broker) -> None:
    """Delete the topics in which publishers of this run kept their positions."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    for topic in admin.list_topics(timeout=30).topics:
        if topic.startswith(Journal(NAMES).topic):
            broker.delete_topic(topic)
