"""A publisher that removes what it has published, as its operator meets it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local.kafka import Broker
from tests.acceptance.publishers import Publisher
from tests.conftest import MakeTopic
from tests.topics import read_topic
from tests.waiting import eventually
from tests.writers import Writer, execute, write

AGE = "UPDATE outbox_event SET created_at = created_at - interval '2 hours'"


@pytest.fixture
def topic(make_topic: MakeTopic) -> str:
    return make_topic()


@pytest.fixture
def publisher(
    migrated_database_url: str, kafka_broker: Broker, tmp_path: Path
) -> Iterator[Publisher]:
    """One that looks once a second for rows that are an hour old."""
    env = {"PUBLISHER_RETENTION": "1h", "PUBLISHER_PRUNE_EVERY": "1s"}
    servers = kafka_broker.bootstrap_servers
    with Publisher(migrated_database_url, servers, tmp_path, **env) as publisher:
        yield publisher


def ids(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM outbox_event ORDER BY id")]


def test_a_publisher_removes_what_is_published_and_old_and_nothing_else(
    publisher: Publisher, migrated_database_url: str, kafka_broker: Broker, topic: str
) -> None:
    url, servers = migrated_database_url, kafka_broker.bootstrap_servers
    young = write(url, b"young", topic=topic)
    late = Writer(url)
    late.record(key=b"late", topic=topic)
    late.execute(f"{AGE} WHERE key = 'late'")
    write(url, *[b"old"] * 1_500, topic=topic)
    execute(url, f"{AGE} WHERE key = 'old'")
    eventually(lambda: ids(url) == young, timeout=30)
    eventually(lambda: publisher.metric("outbox_publisher_rows_pruned_total") == 1_500)
    assert publisher.metric("outbox_publisher_prune_age_seconds") < 60
    late.commit()
    eventually(lambda: len(read_topic(servers, topic)) == 1_502, timeout=30)
    eventually(lambda: publisher.metric("outbox_publisher_rows_pruned_total") == 1_501)
    assert ids(url) == young
    lines = [line for line in publisher.lines if line["event"] == "pruned"]
    assert sum(line["rows"] for line in lines) == 1_501


def test_where_the_right_is_missing_its_grant_is_logged_once_and_publishing_goes_on(
    migrated_database_url: str,
    kafka_broker: Broker,
    topic: str,
    role: str,
    role_url: str,
    tmp_path: Path,
) -> None:
    url, servers = migrated_database_url, kafka_broker.bootstrap_servers
    execute(
        url,
        f"GRANT SELECT ON outbox_event, outbox_metadata, outbox_topic TO {role}; "
        f"GRANT SELECT, INSERT, UPDATE ON outbox_position, outbox_request TO {role}; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_parked TO {role}",
    )
    env = {"PUBLISHER_RETENTION": "0s", "PUBLISHER_PRUNE_EVERY": "1s"}
    with Publisher(role_url, servers, tmp_path, **env) as publisher:
        write(url, b"a", topic=topic)
        eventually(lambda: len(read_topic(servers, topic)) == 1, timeout=20)
        eventually(lambda: refusals(publisher), timeout=20)
        execute(
            url,
            f"GRANT DELETE ON outbox_event, outbox_request TO {role}",
        )
        eventually(lambda: ids(url) == [], timeout=20)
        (reason,) = refusals(publisher)
        assert f"GRANT DELETE ON outbox_event TO {role}" in reason
        code, seconds = publisher.stop()
    assert code == 0
    assert seconds < 5


def refusals(publisher: Publisher) -> list[str]:
    return [line["reason"] for line in publisher.lines if line["event"] == "not pruning"]
