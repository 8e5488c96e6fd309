"""One of three brokers is lost, and the others answer."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from local.kafka import Broker
from publisher.adapters.librdkafka_topics import LibrdkafkaTopics
from publisher.errors import BrokerUnavailable
from tests.acceptance.publishers import Publisher
from tests.topics import read_topic
from tests.waiting import eventually
from tests.writers import write

KEYS = [b"%d" % number for number in range(12)]
LOST, HELD = 2, (0, 1)
"""The partition on the broker that is lost, and those on the others."""


def spread(cluster: Broker, topic: str) -> None:
    """Create a topic with a partition on each broker, and no second replica of any."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    alone = NewTopic(
        topic, 3, replica_assignment=[[1], [2], [3]], config={"min.insync.replicas": "1"}
    )
    for done in admin.create_topics([alone]).values():
        done.result(20)


def leaders(cluster: Broker, topic: str) -> dict[int, int]:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    found = admin.list_topics(topic, timeout=20).topics[topic]
    return {number: each.leader for number, each in found.partitions.items()}


def sent(cluster: Broker, topic: str, partitions: Iterable[int]) -> dict[bytes, list[int]]:
    """The rows of each key by their first delivery."""
    rows: dict[bytes, list[int]] = {}
    for record in read_topic(cluster.bootstrap_servers, topic, partitions):
        row, known = int(dict(record.headers)["ce_sequence"]), rows.setdefault(record.key, [])
        if row not in known:
            known.append(row)
    return rows


def by_key(ids: Sequence[int], keys: Collection[bytes]) -> dict[bytes, list[int]]:
    """The rows of these keys, in the order of their ids."""
    return {key: [i for n, i in enumerate(ids) if KEYS[n % 12] == key] for key in keys}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("client", ["kafka-python", "librdkafka"])
def test_while_a_partition_has_no_leader_the_keys_of_others_go_on_and_each_stays_in_order(
    three_brokers: Broker, migrated_database_url: str, tmp_path: Path, client: str
) -> None:
    url, servers, topic = migrated_database_url, three_brokers.bootstrap_servers, f"spread.{client}"
    spread(three_brokers, topic)
    env = {"PUBLISHER_KAFKA_CLIENT": client}
    with Publisher(url, servers, tmp_path, **env) as publisher:
        ids = write(url, *KEYS, topic=topic)
        eventually(lambda: publisher.acknowledged == len(KEYS), timeout=60)
        goes_on = sent(three_brokers, topic, HELD).keys()
        assert 0 < len(goes_on) < len(KEYS)
        three_brokers.nodes[LOST].kill()
        try:
            eventually(lambda: leaders(three_brokers, topic)[LOST] == -1, timeout=60)
            reason = f"topic {topic!r} has no leader for partition {LOST}"
            for _ in range(2):  # the second time, long after others began to wait
                ids.extend(write(url, *KEYS * 5, topic=topic))
                eventually(
                    lambda: sent(three_brokers, topic, HELD) == by_key(ids, goes_on), timeout=60
                )
                eventually(lambda: reason in str(publisher.ready()["waits_for"]), timeout=60)
            assert publisher.ready()["set_aside"] == []
        finally:
            three_brokers.nodes[LOST].start()
        everything = by_key(ids, KEYS)
        eventually(lambda: sent(three_brokers, topic, (*HELD, LOST)) == everything, timeout=60)
        eventually(lambda: publisher.ready()["ready"], timeout=30)


def answers(topics: LibrdkafkaTopics, topic: str) -> bool:
    try:
        return topics.describe([topic]) == {topic: 3}
    except BrokerUnavailable:
        return False


@pytest.mark.timeout(240)
def test_a_client_whose_controller_is_lost_finds_another_one(three_brokers: Broker) -> None:
    """Each takes one of the three for it: of twenty, some take the one that is lost."""
    topic, servers = "controlled", three_brokers.bootstrap_servers
    three_brokers.create_topic(topic, 3)
    clients = [LibrdkafkaTopics(servers, patience_ms=500) for _ in range(20)]
    eventually(lambda: all(answers(topics, topic) for topics in clients), timeout=60)
    three_brokers.nodes[LOST].kill()
    try:
        eventually(lambda: not all(answers(topics, topic) for topics in clients))
        eventually(lambda: all(answers(topics, topic) for topics in clients), timeout=40)
    finally:
        three_brokers.nodes[LOST].start()
    for topics in clients:
        topics.close()
