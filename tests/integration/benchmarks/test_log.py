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


def send(broker: Broker, topic: str, *numbers: int | None) -> None:
    """Send records of one key with these numbers, or one, the first; None has no number."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    for number in numbers or [1]:
        headers = [] if number is None else [("ce_sequence", b"%d" % number)]
        producer.send(topic, b"{}", b"k", headers, timestamp_ms=1_000).get(30)
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
        assert sorted(reading.judge.seen) == list(range(PARTITIONS))


def test_nothing_is_read_while_others_write(durable_broker: Broker) -> None:
    with Log.on(durable_broker, "benchmark") as log, log.reading() as reading:
        send(durable_broker, log.topic)
        assert not reading.has(1)
        assert reading.assigned == []
        eventually(lambda: reading.has(1))
        assert len(reading.assigned) == PARTITIONS


@pytest.mark.parametrize(
    ("numbers", "wrong"),
    [([1, 2, 4], "events=3"), ([1, 2, 2, 3], "repeats=1"), ([1, 3, 2, 4], "inversions=1")],
    ids=["lost", "repeated", "inverted"],
)
def test_what_was_delivered_wrongly_has_no_speed(
    numbers: list[int], wrong: str, durable_broker: Broker
) -> None:
    with (
        Log.on(durable_broker, "benchmark") as log,
        pytest.raises(DeliveryWrong, match=f"4 events were to arrive once and in order.*{wrong}"),
    ):
        log.arrivals(4, lambda arrived: send(durable_broker, log.topic, *numbers))


def test_a_record_without_a_number_is_refused(durable_broker: Broker) -> None:
    with (
        Log.on(durable_broker, "benchmark") as log,
        pytest.raises(NotMeasured, match=f"{log.topic}.* has no header ce_sequence"),
    ):
        log.arrivals(1, lambda arrived: send(durable_broker, log.topic, None))


def test_what_is_not_committed_has_not_arrived(durable_broker: Broker) -> None:
    with Log.on(durable_broker, "benchmark") as log, log.reading() as reading:
        with transaction(durable_broker, log.topic, range(PARTITIONS)) as producer:
            assert not any(reading.has(1) for _ in range(3))
            producer.abort_transaction(30)
        assert not any(reading.has(1) for _ in range(3))
        with pytest.raises(DeliveryWrong, match="events=0"):
            log.arrivals(1, lambda arrived: None)
