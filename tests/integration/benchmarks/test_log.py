"""The benchmark's clock is the broker's, or there is no figure."""

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from benchmarks.log import Log, NotMeasured
from local.kafka import Broker, kafka
from tests.conftest import MakeTopic
from tests.waiting import eventually


def send(broker: Broker, topic: str) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    headers = [("ce_sequence", b"1")]
    producer.send(topic, b"{}", b"k", headers, timestamp_ms=1_000).get(30)
    producer.close()


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
