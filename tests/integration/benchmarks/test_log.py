"""The benchmark's clock is the broker's, or there is no figure."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient, KafkaProducer

from benchmarks.log import PARTITIONS, DeliveryWrong, Log, NotMeasured
from local.kafka import Broker, kafka
from tests.conftest import MakeTopic
from tests.waiting import eventually

HEADERS = [("ce_sequence", b"1")]


def send(broker: Broker, topic: str) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    producer.send(topic, b"{}", b"k", HEADERS, timestamp_ms=1_000).get(30)
    producer.close()


@contextmanager
def transaction(broker: Broker, topic: str, sequences: range) -> Iterator[Producer]:
    """An open transaction with records in every partition."""
    settings = {"bootstrap.servers": broker.bootstrap_servers, "transactional.id": topic}
    producer = Producer(settings)
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in sequences:
        producer.produce(
            topic, b"{}", b"k", number % PARTITIONS, headers={"ce_sequence": b"%d" % number}
        )
    producer.flush(30)
    yield producer


def topics(broker: Broker) -> list[str]:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    try:
        return list(admin.list_topics())
    finally:
        admin.close()


def test_times_are_those_of_the_broker_and_its_topic_goes(durable_broker: Broker) -> None:
    with Log.on(durable_broker, "benchmark") as log, Log.on(durable_broker, "benchmark") as other:
        assert log.topic != other.topic
        assert log.topic in topics(durable_broker)
        found = log.arrivals(1, lambda arrived: send(durable_broker, log.topic))
    assert (found.events, found.seconds) == (1, 0)
    eventually(lambda: not {log.topic, other.topic} & set(topics(durable_broker)))


def test_times_of_a_producer_are_refused(durable_broker: Broker, make_topic: MakeTopic) -> None:
    topic = make_topic(partitions=12)
    log = Log(durable_broker.bootstrap_servers, topic)
    with pytest.raises(NotMeasured, match=f"topic '{topic}' has not the times"):
        log.arrivals(1, lambda arrived: send(durable_broker, topic))


def test_a_broker_that_ignores_the_kind_of_time_is_refused() -> None:
    with (
        kafka(only="wheel") as broker,
        pytest.raises(NotMeasured, match="install Java 17"),
        Log.on(broker, "benchmark"),
    ):
        pass


def test_markers_of_transactions_are_no_records(durable_broker: Broker) -> None:
    with Log.on(durable_broker, "benchmark") as log, log.reading() as reading:
        with transaction(durable_broker, log.topic, range(PARTITIONS)) as producer:
            producer.commit_transaction(30)
        assert not any(reading.has(PARTITIONS + 1) for _ in range(3))
        eventually(lambda: reading.has(PARTITIONS))
        assert sorted(entry.sequence for entry in reading.entries) == list(range(PARTITIONS))


def test_what_is_not_committed_has_not_arrived(durable_broker: Broker) -> None:
    with Log.on(durable_broker, "benchmark") as log, log.reading() as reading:
        with transaction(durable_broker, log.topic, range(PARTITIONS)) as producer:
            assert not any(reading.has(1) for _ in range(3))
            producer.abort_transaction(30)
        assert not any(reading.has(1) for _ in range(3))
        with pytest.raises(DeliveryWrong, match="events=0"):
            log.arrivals(1, lambda arrived: None)
