"""What every broker promises: `publisher.ports.Broker`, asked of each implementation."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from local.kafka import Broker as Server
from publisher.adapters.kafka_python import KafkaPythonBroker
from publisher.adapters.memory import MemoryBroker
from publisher.errors import BrokerUnavailable, RecordRejected
from publisher.ports import Broker, Delivery, Record
from tests.conftest import MakeTopic
from tests.topics import read_topic
from tests.waiting import eventually

HEADERS = [("ce_id", b"1"), ("ce_type", b"test.event")]


class Arrived(NamedTuple):
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Subject:
    def __init__(
        self, broker: Broker, topic: str, arrived: Callable[[], list[Arrived]], too_large: Record
    ) -> None:
        self.broker = broker
        self.topic = topic
        self.arrived = arrived
        self.too_large = too_large

    def record(self, number: int, key: bytes = b"k", value: bytes | None = b"{}") -> Record:
        return Record(number, self.topic, key, value, HEADERS)


@pytest.fixture(params=["memory", "kafka-python"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "memory":
        yield _in_memory()
        return
    server: Server = request.getfixturevalue("kafka_broker")
    topic = request.getfixturevalue("make_topic")(partitions=3)
    broker = KafkaPythonBroker(server.bootstrap_servers)
    yield Subject(
        broker,
        topic,
        lambda: [
            Arrived(r.key, r.value, list(r.headers))
            for r in read_topic(server.bootstrap_servers, topic)
        ],
        Record(1_099, topic, b"k", b"x" * 2_000_000, HEADERS),
    )
    broker.close()


def _in_memory() -> Subject:
    broker = MemoryBroker()
    broker.rejected = {1_099}
    return Subject(
        broker,
        "topic",
        lambda: [Arrived(r.key, r.value, r.headers) for r in broker.log],
        Record(1_099, "topic", b"k", b"x" * 2_000_000, HEADERS),
    )


def settled(delivery: Delivery, seconds: float = 20.0) -> int:
    """Settle until nothing more can come."""
    deadline = time.monotonic() + seconds
    done = -1
    while time.monotonic() < deadline and delivery.error is None:
        before, done = done, delivery.settle(0.5)
        if before == done:
            break
    return done


def test_a_page_arrives_whole_and_a_key_in_order(subject: Subject) -> None:
    subject.broker.open()
    keys = [b"a", b"b", b"c"]
    page = [subject.record(i, keys[i % 3], str(i).encode()) for i in range(1, 301)]
    assert settled(subject.broker.send(page)) == 300
    for key in keys:
        values = [int(r.value or b"") for r in subject.arrived() if r.key == key]
        assert values == [i for i in range(1, 301) if keys[i % 3] == key]


def test_pages_on_their_way_at_once_keep_their_order(subject: Subject) -> None:
    subject.broker.open()
    deliveries = [
        subject.broker.send([subject.record(i, value=str(i).encode())]) for i in range(20)
    ]
    assert [settled(delivery) for delivery in deliveries] == [1] * 20
    assert [int(r.value or b"") for r in subject.arrived()] == list(range(20))


def test_headers_and_tombstones_arrive_as_they_are(subject: Subject) -> None:
    subject.broker.open()
    assert settled(subject.broker.send([subject.record(1), subject.record(2, value=None)])) == 2
    assert subject.arrived() == [
        Arrived(b"k", b"{}", HEADERS),
        Arrived(b"k", None, HEADERS),
    ]


def test_what_cannot_be_sent_stops_what_is_behind_it(subject: Subject) -> None:
    subject.broker.open()
    delivery = subject.broker.send([subject.record(1), subject.too_large, subject.record(3)])
    assert settled(delivery) == 1
    assert isinstance(delivery.error, RecordRejected)
    assert "row 1099" in str(delivery.error)
    assert len(subject.arrived()) == 1


def test_settling_again_tells_the_same(subject: Subject) -> None:
    subject.broker.open()
    delivery = subject.broker.send([subject.record(1)])
    assert settled(delivery) == delivery.settle(0.0) == 1
    assert delivery.error is None
    assert not delivery.stopped


def test_a_known_topic_is_available(subject: Subject) -> None:
    subject.broker.open()
    assert subject.broker.unavailable({subject.topic}) == {}
    subject.broker.forget_topics()
    assert subject.broker.unavailable({subject.topic}) == {}


def test_closing_twice_is_no_error(subject: Subject) -> None:
    subject.broker.open()
    assert subject.broker.is_open
    subject.broker.close()
    subject.broker.close()
    assert not subject.broker.is_open


def test_a_broker_can_be_opened_again(subject: Subject) -> None:
    subject.broker.open()
    settled(subject.broker.send([subject.record(1, value=b"1")]))
    subject.broker.close()
    subject.broker.open()
    settled(subject.broker.send([subject.record(2, value=b"2")]))
    assert [r.value for r in subject.arrived()] == [b"1", b"2"]


def test_an_unknown_topic_is_named_quickly_and_never_created(
    kafka_broker: Server, make_topic: MakeTopic
) -> None:
    broker = KafkaPythonBroker(kafka_broker.bootstrap_servers)
    broker.open()
    started = time.monotonic()
    missing = broker.unavailable({"no.such.topic"})
    assert time.monotonic() - started < 2.0
    assert "topic 'no.such.topic' does not exist" in missing["no.such.topic"]
    assert "outbox-publisher topics create" in missing["no.such.topic"]
    assert broker.unavailable({"no.such.topic"}) == missing
    broker.close()


def test_a_topic_that_appears_is_found(kafka_broker: Server, make_topic: MakeTopic) -> None:
    broker = KafkaPythonBroker(kafka_broker.bootstrap_servers)
    broker.open()
    assert broker.unavailable({"appears.later"})
    kafka_broker.create_topic("appears.later")
    eventually(lambda: not broker.unavailable({"appears.later"}))
    broker.close()


def test_an_unreachable_broker_is_an_outage_that_names_the_address() -> None:
    broker = KafkaPythonBroker("127.0.0.1:1")
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        broker.open()
    assert not broker.is_open
    with pytest.raises(BrokerUnavailable):
        broker.send([Record(1, "t", b"k", b"{}", HEADERS)])


def test_a_frozen_broker_acknowledges_nothing_and_everything_once_it_wakes(
    breakable_broker: Server, make_topic: MakeTopic
) -> None:
    topic = make_topic(on=breakable_broker)
    broker = KafkaPythonBroker(breakable_broker.bootstrap_servers)
    broker.open()
    assert settled(broker.send([Record(0, topic, b"k", b"0", HEADERS)])) == 1
    breakable_broker.freeze()
    delivery = broker.send([Record(i, topic, b"k", str(i).encode(), HEADERS) for i in range(1, 9)])
    assert delivery.settle(1.0) == 0
    assert delivery.error is None
    breakable_broker.thaw()
    eventually(lambda: delivery.settle(0.1) == 8)
    values = [r.value for r in read_topic(breakable_broker.bootstrap_servers, topic)]
    assert values == [str(i).encode() for i in range(9)]
    broker.close()
