"""A record that Kafka refuses, and a topic that is not there, as their operator meets them."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from local.kafka import Broker
from tests.acceptance.publishers import Publisher
from tests.conftest import MakeTopic
from tests.topics import read_topic
from tests.waiting import eventually
from tests.writers import Writer

LARGE = b"x" * 5_000
MODES = [
    (client, delivery)
    for client in ("kafka-python", "librdkafka")
    for delivery in ("at-least-once", "exactly-once")
]


@pytest.fixture(params=MODES, ids=" ".join)
def publisher(
    request: pytest.FixtureRequest,
    migrated_database_url: str,
    durable_broker: Broker,
    tmp_path: Path,
) -> Iterator[Publisher]:
    client, delivery = request.param
    env = {
        "PUBLISHER_KAFKA_CLIENT": client,
        "PUBLISHER_DELIVERY": delivery,
        "PUBLISHER_NAME": f"parked-{client}-{delivery}-{tmp_path.name}",
    }
    servers = durable_broker.bootstrap_servers
    with Publisher(migrated_database_url, servers, tmp_path, **env) as publisher:
        yield publisher


def write(url: str, topic: str, *records: tuple[bytes, bytes]) -> None:
    writer = Writer(url)
    for key, value in records:
        writer.record(topic=topic, key=key, value=value)
    writer.commit()


def allow(broker: Broker, topic: str, size: int) -> None:
    """Let the topic take records of so many bytes."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(20)


def firsts(broker: Broker, topic: str, key: bytes) -> list[bytes]:
    """The values of a key by their first delivery."""
    found = [r.value for r in read_topic(broker.bootstrap_servers, topic) if r.key == key]
    return list(dict.fromkeys(found))


def delays(broker: Broker, topic: str) -> list[float]:
    """The seconds between recording and sending, of each record."""
    return [
        record.timestamp / 1000
        - datetime.fromisoformat(dict(record.headers)["ce_time"].decode()).timestamp()
        for record in read_topic(broker.bootstrap_servers, topic)
    ]


def test_a_refused_record_parks_its_key_until_it_is_skipped(
    publisher: Publisher,
    migrated_database_url: str,
    durable_broker: Broker,
    make_topic: MakeTopic,
) -> None:
    topic = make_topic(partitions=3, config={"max.message.bytes": "2000"})
    url = migrated_database_url
    write(url, topic, (b"a", b"a1"), (b"a", LARGE), (b"b", b"b1"), (b"a", b"a3"))
    eventually(lambda: firsts(durable_broker, topic, b"b") == [b"b1"], timeout=60)
    eventually(lambda: publisher.ready()["set_aside"], timeout=60)
    write(url, topic, (b"a", b"a4"), (b"b", b"b2"))
    eventually(lambda: firsts(durable_broker, topic, b"b") == [b"b1", b"b2"], timeout=60)
    assert firsts(durable_broker, topic, b"a") == [b"a1"]
    eventually(lambda: publisher.ready()["ready"], timeout=30)

    listed = publisher.command("parked", "list").stdout
    assert "key 'a'" in listed
    assert "max.message.bytes" in listed
    number = listed.partition(":")[0]
    assert "value:      5000 bytes" in publisher.command("parked", "show", number).stdout
    again = publisher.command("parked", "retry", number, "--wait", "60")
    assert (again.returncode, "set aside again" in again.stdout) == (1, True), again

    skipped = publisher.command("parked", "skip", number, "--wait", "60")
    assert skipped.returncode == 0, skipped
    assert "published 2 rows" in skipped.stdout
    assert firsts(durable_broker, topic, b"a") == [b"a1", b"a3", b"a4"]
    assert publisher.command("parked", "list").stdout == "nothing is set aside\n"
    write(url, topic, (b"a", b"a5"))
    eventually(lambda: firsts(durable_broker, topic, b"a")[-1] == b"a5", timeout=30)


def test_a_parked_key_outlives_the_process_and_comes_back_in_order(
    publisher: Publisher,
    migrated_database_url: str,
    durable_broker: Broker,
    make_topic: MakeTopic,
) -> None:
    topic = make_topic(config={"max.message.bytes": "2000"})
    write(migrated_database_url, topic, (b"a", LARGE), (b"a", b"a2"), (b"b", b"b1"))
    eventually(lambda: publisher.ready()["set_aside"], timeout=60)
    publisher.process.kill()
    publisher.process.start()
    write(migrated_database_url, topic, (b"a", b"a3"), (b"b", b"b2"))
    eventually(lambda: firsts(durable_broker, topic, b"b") == [b"b1", b"b2"], timeout=60)
    allow(durable_broker, topic, 1_000_000)
    eventually(
        lambda: publisher.command("parked", "retry", "--all", "--wait", "20").returncode == 0,
        timeout=60,
    )
    assert firsts(durable_broker, topic, b"a") == [LARGE, b"a2", b"a3"]


def test_a_topic_that_is_missing_is_held_and_resumes_while_others_never_waited(
    publisher: Publisher,
    migrated_database_url: str,
    durable_broker: Broker,
    make_topic: MakeTopic,
) -> None:
    topic = make_topic()
    later = f"{topic}.later"
    eventually(lambda: publisher.ready()["ready"], timeout=60)
    waits = publisher.waits
    write(migrated_database_url, later, (b"a", b"a1"), (b"b", b"b1"))
    write(migrated_database_url, topic, (b"c", b"c1"))
    eventually(lambda: firsts(durable_broker, topic, b"c") == [b"c1"], timeout=60)
    (held,) = publisher.ready()["set_aside"]
    assert f"topic {later!r}" in held
    for number in range(2, 20):
        write(migrated_database_url, topic, (b"c", b"c%d" % number))
        write(migrated_database_url, later, (b"b", b"b%d" % number))
    everything = [b"c%d" % number for number in range(1, 20)]
    eventually(lambda: firsts(durable_broker, topic, b"c") == everything, timeout=60)
    assert publisher.waits == waits, publisher.lines
    assert max(delays(durable_broker, topic)) < 15
    write(migrated_database_url, later, (b"a", b"a2"))
    durable_broker.create_topic(later)
    eventually(lambda: firsts(durable_broker, later, b"a") == [b"a1", b"a2"], timeout=60)
    assert firsts(durable_broker, later, b"b") == [b"b%d" % number for number in range(1, 20)]
    eventually(lambda: not publisher.ready()["set_aside"], timeout=60)
    write(migrated_database_url, later, (b"a", b"a3"))
    eventually(lambda: firsts(durable_broker, later, b"a") == [b"a1", b"a2", b"a3"], timeout=30)
