"""A benchmark leaves nothing on servers that others use."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import psycopg
import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient

from benchmarks import drain
from benchmarks.database import outbox_database, record
from benchmarks.drain import Drain
from benchmarks.log import Log
from benchmarks.modes import FASTEST, MODES, Mode
from benchmarks.process import Measured
from benchmarks.stage import stage
from local.kafka import Broker
from local.postgres import Postgres
from tests.waiting import eventually


def left(broker: Broker, server: Postgres) -> set[str]:
    """The names of all topics and databases, but for what Kafka makes for itself."""
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    try:
        topics = {topic for topic in admin.list_topics() if not topic.startswith("__")}
    finally:
        admin.close()
    with psycopg.connect(server.url) as connection:
        databases = connection.execute("SELECT datname FROM pg_database").fetchall()
    return topics | {name for (name,) in databases}


def test_what_is_sent_as_soon_as_the_publisher_starts_counts(
    durable_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def publisher(mode: Mode, url: str, servers: str, *_: object) -> Iterator[Measured]:
        producer = Producer({"bootstrap.servers": servers})
        for number in (1, 2, 3):
            producer.produce(log.topic, b"{}", b"k", headers={"ce_sequence": b"%d" % number})
        assert producer.flush(30) == 0
        yield Mock(spec=Measured, cpu_seconds=1.0, megabytes=1.0)

    monkeypatch.setattr(drain, "publisher", publisher)
    with Log.on(durable_broker, "benchmark") as log:
        assert Drain("url", log, 3).ours(FASTEST).arrivals.events == 3


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.client == "librdkafka"], ids=str)
def test_a_drain_tells_what_it_took_and_leaves_nothing(
    mode: Mode,
    durable_broker: Broker,
    postgres_server: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", durable_broker.bootstrap_servers)
    monkeypatch.setenv("DATABASE_URL", postgres_server.url)
    before = left(durable_broker, postgres_server)
    with stage("test", print) as servers, outbox_database(servers.server) as url:
        record(url, servers.log.topic, 3_000)
        run = Drain(url, servers.log, 3_000).ours(mode)
        assert run.arrivals.events == 3_000
        assert run.rate > 0
        assert run.cpu_seconds > 0
        assert run.megabytes > 10
        assert 0 < run.first_record_s < 60
    eventually(lambda: left(durable_broker, postgres_server) <= before)
