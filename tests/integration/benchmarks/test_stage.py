"""A benchmark leaves nothing on servers that others use."""

import psycopg
import pytest
from kafka import KafkaAdminClient

from benchmarks.database import outbox_database, record
from benchmarks.drain import Drain
from benchmarks.modes import MODES, Mode
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
