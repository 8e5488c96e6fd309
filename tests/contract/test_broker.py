"""What every broker promises: `publisher.ports.Broker`, asked of each implementation."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from typing import NamedTuple
from unittest.mock import patch
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from local import apache
from local.kafka import Broker as Server
from local.ladder import Unavailable
from publisher.adapters.clients import CLIENTS, Client, client
from publisher.adapters.journal import Journal
from publisher.adapters.kafka_python import KafkaPythonBroker
from publisher.adapters.memory_broker import MemoryBroker
from publisher.errors import BrokerUnavailable, Interrupted, RecordRejected, TopicUnavailable
from publisher.ports import Broker, Delivery, Record, Tenure, Topic, TopicSettings
from publisher.position import Checkpoint, Position, Snapshot
from publisher.stop import GRACE
from tests.conftest import MakeTopic
from tests.needs import unmet
from tests.topics import read_topic
from tests.waiting import eventually

END = Checkpoint(Position(Snapshot(7, 7)))
"""What the pages lead to."""

HEADERS = [("ce_id", b"1"), ("ce_type", b"test.event")]


class Arrived(NamedTuple):
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Subject:
    def __init__(self, broker: Broker, topic: str, arrived: Callable[[], list[Arrived]]) -> None:
        self.broker = broker
        self.topic = topic
        self.arrived = arrived
        self.too_large = Record(1_099, topic, b"k", b"x" * 2_000_000, HEADERS)

    def open(self) -> None:
        self.broker.open()
        tenure = Tenure(Position(), "/test", inherited=True)
        assert self.broker.recover(tenure, lambda: 1) == Checkpoint(tenure.position)

    def record(self, number: int, key: bytes = b"k", value: bytes | None = b"{}") -> Record:
        return Record(number, self.topic, key, value, HEADERS)

    def values(self) -> list[bytes | None]:
        return [arrived.value for arrived in self.arrived()]


class Frozen(Subject):
    """A subject whose server can stand still."""

    def __init__(self, subject: Subject, freeze: Callable[[bool], None]) -> None:
        super().__init__(subject.broker, subject.topic, subject.arrived)
        self.freeze = freeze


@pytest.fixture(params=CLIENTS)
def library(request: pytest.FixtureRequest) -> Client:
    return client(request.param)


KINDS = ("memory", *CLIENTS, *(f"{name}, exactly once" for name in CLIENTS))
_numbers = count(1)


def broker_of(kind: str, servers: str) -> Broker:
    name, _, exactly_once = kind.partition(", ")
    if exactly_once:
        journal = Journal(f"test.{os.getpid()}.{next(_numbers)}")
        return client(name).transactions(servers, {}, journal)
    return client(name).broker(servers, {})


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "memory":
        yield in_memory(MemoryBroker())
        return
    server: Server = request.getfixturevalue("kafka_broker")
    topic = request.getfixturevalue("make_topic")(partitions=3)
    yield from on_kafka(request.param, server, topic)


@pytest.fixture(params=KINDS)
def frozen(request: pytest.FixtureRequest) -> Iterator[Frozen]:
    if request.param == "memory":
        broker = MemoryBroker()

        def freeze(still: bool) -> None:
            broker.frozen, broker.silence = still, "no answer" if still else None

        yield Frozen(in_memory(broker), freeze)
        return
    server: Server = request.getfixturevalue("breakable_broker")
    topic = request.getfixturevalue("make_topic")(on=server)
    for subject in on_kafka(request.param, server, topic):
        yield Frozen(subject, lambda still: server.freeze() if still else server.thaw())


def in_memory(broker: MemoryBroker) -> Subject:
    broker.unsendable = {1_099}
    return Subject(
        broker, "topic", lambda: [Arrived(r.key, r.value, r.headers) for r in broker.log]
    )


def on_kafka(kind: str, server: Server, topic: str) -> Iterator[Subject]:
    broker = broker_of(kind, server.bootstrap_servers)

    def arrived() -> list[Arrived]:
        records = read_topic(server.bootstrap_servers, topic)
        return [Arrived(r.key, r.value, list(r.headers)) for r in records]

    yield Subject(broker, topic, arrived)
    broker.close()


def settled(delivery: Delivery, seconds: float = 20.0) -> int:
    """Settle until nothing more can come."""
    end, done = time.monotonic() + seconds, delivery.settle(0.0)
    while not (delivery.error or delivery.arrived) and time.monotonic() < end:
        done = delivery.settle(0.2)
    return done


def test_a_page_arrives_whole_and_a_key_in_order(subject: Subject) -> None:
    subject.open()
    keys = [b"a", b"b", b"c"]
    page = [subject.record(i, keys[i % 3], str(i).encode()) for i in range(1, 301)]
    assert settled(subject.broker.send(page, END)) == 300
    for key in keys:
        values = [int(r.value or b"") for r in subject.arrived() if r.key == key]
        assert values == [i for i in range(1, 301) if keys[i % 3] == key]


def test_pages_on_their_way_at_once_keep_their_order(subject: Subject) -> None:
    subject.open()
    deliveries = list[Delivery]()
    for number in range(20):
        page = [subject.record(number, value=str(number).encode())]
        deliveries.append(subject.broker.send(page, END))
        if subject.broker.atomic:
            settled(deliveries[-1])
    assert [settled(delivery) for delivery in deliveries] == [1] * 20
    assert [int(r.value or b"") for r in subject.arrived()] == list(range(20))


def test_headers_and_tombstones_arrive_as_they_are(subject: Subject) -> None:
    subject.open()
    assert (
        settled(subject.broker.send([subject.record(1), subject.record(2, value=None)], END)) == 2
    )
    assert subject.arrived() == [
        Arrived(b"k", b"{}", HEADERS),
        Arrived(b"k", None, HEADERS),
    ]


def test_what_cannot_be_sent_stops_what_is_behind_it(subject: Subject) -> None:
    subject.open()
    delivery = subject.broker.send([subject.record(1), subject.too_large, subject.record(3)], END)
    assert delivery.stopped
    before = 0 if subject.broker.atomic else 1
    assert settled(delivery) == before
    assert isinstance(delivery.error, RecordRejected)
    assert "row 1099" in str(delivery.error)
    assert (delivery.error.first, delivery.error.upto) == (1_099, 1_099)
    assert len(subject.arrived()) == before


def test_settling_again_tells_the_same(subject: Subject) -> None:
    subject.open()
    delivery = subject.broker.send([subject.record(1)], END)
    assert settled(delivery) == delivery.settle(0.0) == 1
    assert delivery.error is None
    assert not delivery.stopped


def test_a_known_topic_is_available(subject: Subject) -> None:
    subject.open()
    assert subject.broker.unavailable({subject.topic}) == {}
    subject.broker.forget_topics()
    assert subject.broker.unavailable({subject.topic}) == {}


def test_closing_twice_is_no_error(subject: Subject) -> None:
    subject.open()
    assert subject.broker.is_open
    subject.broker.close()
    subject.broker.close()
    assert not subject.broker.is_open


def test_a_broker_can_be_opened_again(subject: Subject) -> None:
    subject.open()
    settled(subject.broker.send([subject.record(1, value=b"1")], END))
    subject.broker.close()
    subject.open()
    settled(subject.broker.send([subject.record(2, value=b"2")], END))
    assert [r.value for r in subject.arrived()] == [b"1", b"2"]


def test_a_closed_broker_sends_nothing_more_of_what_it_holds(frozen: Frozen) -> None:
    frozen.open()
    assert settled(frozen.broker.send([frozen.record(0, value=b"0")], END)) == 1
    frozen.freeze(True)
    for number in range(1, 2 if frozen.broker.atomic else 8):  # more than may be on the wire
        frozen.broker.send([frozen.record(number, value=b"on the wire")], END).settle(0.1)
    held = frozen.broker.send([frozen.record(8, value=b"held")], END)
    assert held.settle(0.2) == 0
    frozen.broker.close()
    frozen.freeze(False)
    frozen.open()
    assert settled(frozen.broker.send([frozen.record(9, value=b"9")], END)) == 1
    assert set(frozen.values()) <= {b"0", b"on the wire", b"9"}
    assert frozen.values()[-1] == b"9"
    assert held.settle(0.2) == 0


def test_a_transaction_that_failed_at_a_frozen_broker_is_let_go_without_waiting(
    breakable_broker: Server, make_topic: MakeTopic
) -> None:
    journal = Journal(f"test.{os.getpid()}.{next(_numbers)}")
    servers, topic = breakable_broker.bootstrap_servers, make_topic(on=breakable_broker)
    soon = {"transaction_timeout_ms": 2_000, "socket_timeout_ms": 2_000}
    broker = client("librdkafka").transactions(servers, soon, journal)
    with closing(broker):
        broker.open()
        broker.recover(Tenure(Position(), "/test", inherited=True), lambda: 1)
        breakable_broker.freeze()
        delivery = broker.send([Record(1, topic, b"k", b"{}", HEADERS)], END)
        eventually(lambda: (delivery.settle(0.1), delivery.error)[1], timeout=30)
        started = time.monotonic()
        broker.close()
        assert time.monotonic() - started < 5


def test_a_closed_broker_leaves_no_thread(frozen: Frozen) -> None:
    before = set(threading.enumerate())
    frozen.open()
    frozen.freeze(True)
    frozen.broker.send([frozen.record(n) for n in range(9)], END)
    started = time.monotonic()
    frozen.broker.close()
    assert time.monotonic() - started < GRACE
    assert set(threading.enumerate()) <= before


def test_a_server_that_cannot_be_asked_is_an_outage_and_what_is_on_its_way_stays(
    frozen: Frozen,
) -> None:
    frozen.open()
    assert not frozen.broker.unavailable({frozen.topic})
    assert settled(frozen.broker.send([frozen.record(0)], END)) == 1
    frozen.freeze(True)
    delivery = frozen.broker.send([frozen.record(1)], END)
    frozen.broker.forget_topics()
    for _ in range(2):  # the second time it has to connect anew
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            frozen.broker.unavailable({frozen.topic})
        assert time.monotonic() - started < 3.9, "a question takes 2 s"
    frozen.freeze(False)
    assert settled(delivery) == 1
    eventually(lambda: frozen.broker.unavailable({frozen.topic}) == {}, timeout=15)


def test_sending_to_a_closed_broker_is_an_outage(subject: Subject) -> None:
    with pytest.raises(BrokerUnavailable, match="open it first"):
        subject.broker.send([subject.record(1)], END)


def test_a_key_has_the_partition_that_java_gives_it(
    library: Client, kafka_broker: Server, make_topic: MakeTopic
) -> None:
    """The hashes are those of Apache Kafka's own `UtilsTest.testMurmur2`."""
    hashes = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    topic = make_topic(partitions=12)
    broker = library.broker(kafka_broker.bootstrap_servers, {})
    broker.open()
    page = [Record(n, topic, key, b"{}", HEADERS) for n, key in enumerate(hashes)]
    assert settled(broker.send(page, END)) == len(page)
    broker.close()
    found = {r.key: r.partition for r in read_topic(kafka_broker.bootstrap_servers, topic)}
    assert found == {key: (murmur2 & 0x7FFFFFFF) % 12 for key, murmur2 in hashes.items()}


def test_an_unknown_topic_is_named_quickly(library: Client, durable_broker: Server) -> None:
    broker = library.broker(durable_broker.bootstrap_servers, {})
    broker.open()
    started = time.monotonic()
    missing = broker.unavailable({"no.such.topic"})
    assert time.monotonic() - started < 10.0
    assert "topic 'no.such.topic' does not exist" in missing["no.such.topic"]
    assert "outbox-publisher topics create" in missing["no.such.topic"]
    assert broker.unavailable({"no.such.topic"}) == missing
    broker.close()


@pytest.fixture
def strict_broker(library: Client, strict_server: Server) -> Iterator[Broker]:
    broker = library.broker(strict_server.bootstrap_servers, {})
    broker.open()
    yield broker
    broker.close()


def deny(server: Server, topic: str, operation: ACLOperation) -> None:
    rule = {
        "host": "*",
        "resource_pattern": ResourcePattern(ResourceType.TOPIC, topic),
    }
    admin = KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)
    everyone_reads = ACL(
        principal="User:*",
        operation=ACLOperation.READ,
        permission_type=ACLPermissionType.ALLOW,
        **rule,
    )
    denied = ACL(
        principal="User:ANONYMOUS",
        operation=operation,
        permission_type=ACLPermissionType.DENY,
        **rule,
    )
    done = admin.create_acls([everyone_reads, denied])
    admin.close()
    assert not done["failed"]


def test_an_unknown_topic_is_never_created(strict_server: Server, strict_broker: Broker) -> None:
    assert strict_broker.unavailable({"typo"})
    delivery = strict_broker.send([Record(1, "typo", b"k", b"{}", HEADERS)], END)
    eventually(lambda: delivery.settle(0.1) == 0 and delivery.error is not None)
    admin = KafkaAdminClient(bootstrap_servers=strict_server.bootstrap_servers)
    names = admin.list_topics()
    admin.close()
    assert "typo" not in names


@pytest.mark.parametrize("operation", [ACLOperation.WRITE, ACLOperation.DESCRIBE], ids=str)
def test_a_topic_that_this_user_may_not_write_is_forbidden_before_anything_is_sent(
    strict_server: Server,
    strict_broker: Broker,
    make_topic: MakeTopic,
    operation: ACLOperation,
) -> None:
    topic = make_topic(on=strict_server)
    assert strict_broker.unavailable({topic}) == {}
    deny(strict_server, topic, operation)
    strict_broker.forget_topics()
    eventually(lambda: strict_broker.unavailable({topic}))
    (why,) = strict_broker.unavailable({topic}).values()
    assert f"topic {topic!r} is forbidden: grant this user Write and Describe" in why


def test_a_right_that_is_lost_later_is_the_topics_failure(
    strict_server: Server, strict_broker: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic(on=strict_server)
    assert settled(strict_broker.send([Record(1, topic, b"k", b"{}", HEADERS)], END)) == 1
    deny(strict_server, topic, ACLOperation.WRITE)
    eventually(lambda: not may_write(strict_broker, topic))


def may_write(broker: Broker, topic: str) -> bool:
    delivery = broker.send([Record(2, topic, b"k", b"{}", HEADERS)], END)
    settled(delivery, 5.0)
    assert delivery.error is None or isinstance(delivery.error, TopicUnavailable)
    return delivery.error is None


@pytest.fixture
def server_with_login() -> Iterator[str]:
    """The address of a broker that knows one user."""
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    settings = {
        "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.plaintext.plain.sasl.jaas.config": (
            f'{module} required username="admin" password="right" user_admin="right";'
        ),
    }
    try:
        with patch.dict(apache.SETTINGS, settings), apache.nodes(1) as nodes:
            for address, process in nodes.items():
                process.start()
                yield address
    except Unavailable as why:
        unmet(str(why))


def test_a_refused_login_points_to_the_settings_of_the_login_and_shows_no_secret(
    library: Client, server_with_login: str
) -> None:
    prefix = "sasl_plain_" if library.name == "kafka-python" else "sasl_"

    def login(password: str) -> Broker:
        settings = {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            f"{prefix}username": "admin",
            f"{prefix}password": password,
        }
        assert library.config_problems(settings) == []
        return library.broker(server_with_login, settings)

    broker = login("right")
    eventually(lambda: opens(broker), timeout=60)
    broker.close()
    with pytest.raises(BrokerUnavailable) as caught:
        login("hunter2").open()
    assert server_with_login in str(caught.value)
    assert "PUBLISHER_KAFKA_CONFIG__SASL_*" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(BrokerUnavailable, match="PUBLISHER_KAFKA_CONFIG__SECURITY_PROTOCOL"):
        library.broker(server_with_login, {}).open()


def opens(broker: Broker) -> bool:
    try:
        broker.open()
    except BrokerUnavailable:
        return False
    return True


def test_what_the_topic_finds_too_large_is_refused_and_says_how_to_go_on(
    library: Client, durable_broker: Server, make_topic: MakeTopic
) -> None:
    topic = make_topic(config={"max.message.bytes": "1000"})
    broker = library.broker(durable_broker.bootstrap_servers, {})
    broker.open()
    values = b"1", b"x" * 5_000, b"3"
    page = [Record(n, topic, b"k", value, HEADERS) for n, value in enumerate(values, 1)]
    error: Exception | None = None
    while not isinstance(error, RecordRejected):  # the first time it may have been a batch
        delivery = broker.send(page, END)
        assert not delivery.stopped
        page = page[settled(delivery) :]
        error = delivery.error
        assert isinstance(error, RecordRejected | BrokerUnavailable)
        broker.close()
        broker.open()
    assert error.upto == page[0].id == 2
    assert "max.message.bytes or, if the client's limit is lower" in str(error)
    assert "DELETE FROM outbox_event WHERE id = 2" in str(error)
    arrived = [r.value for r in read_topic(durable_broker.bootstrap_servers, topic)]
    assert arrived == [b"1"], "what was behind the record must not arrive before it"
    broker.close()


def test_a_record_that_is_larger_than_its_topic_takes_is_sent_alone(
    library: Client, durable_broker: Server, make_topic: MakeTopic
) -> None:
    topic = make_topic(config={"max.message.bytes": "30000"})
    broker = library.broker(durable_broker.bootstrap_servers, {})
    broker.open()
    assert broker.unavailable({topic}) == {}
    sizes = 10, 29_000, 40_000, 10
    page = [Record(n, topic, b"k", b"x" * size, HEADERS) for n, size in enumerate(sizes)]
    delivery = broker.send(page, END)
    assert delivery.stopped
    assert settled(delivery) == 2
    assert isinstance(delivery.error, RecordRejected)
    assert (delivery.error.first, delivery.error.upto) == (2, 2)
    assert "larger than the 30000 bytes" in str(delivery.error)
    alone = broker.send(page[2:3], END)
    assert alone.stopped, "alone it may fit, compressed; nothing is sent behind it meanwhile"
    assert settled(alone) == 0
    assert isinstance(alone.error, RecordRejected | BrokerUnavailable)
    broker.close()


def test_one_record_that_the_topic_refuses_may_take_its_batch_with_it(
    library: Client, durable_broker: Server, make_topic: MakeTopic
) -> None:
    topic = make_topic(config={"cleanup.policy": "compact"})
    broker = library.broker(durable_broker.bootstrap_servers, {})
    broker.open()
    good, keyless = Record(1, topic, b"k", b"{}", HEADERS), Record(2, topic, b"", b"{}", HEADERS)
    page = [good, keyless._replace(key=None), good._replace(id=3)]  # type: ignore[arg-type]
    delivery = broker.send(page, END)
    settled(delivery)
    assert isinstance(delivery.error, RecordRejected)
    assert delivery.error.upto == 3
    broker.close()


def test_topics_are_created_one_by_one_and_each_says_what_became_of_it(
    library: Client, durable_broker: Server, make_topic: MakeTopic
) -> None:
    existing, fresh = make_topic(), make_topic() + ".new"
    topics = library.topics(durable_broker.bootstrap_servers, {})
    wanted = [Topic(name, "state", 2) for name in ("bad name", existing, fresh)]
    created = topics.create(wanted)
    assert "'bad name' cannot be created" in created["bad name"]
    assert "Correct its name" in created["bad name"]
    assert (created[existing], created[fresh]) == ("exists", "created")
    assert topics.describe([existing, fresh]) == {existing: 1, fresh: 2}
    (refused,) = topics.create([Topic(fresh + ".2", "events", 1)], replication_factor=99).values()
    assert "--replication-factor" in refused
    topics.close()


def test_topics_tell_how_kafka_keeps_them(
    library: Client, durable_broker: Server, make_topic: MakeTopic
) -> None:
    config = {"cleanup.policy": "compact", "min.insync.replicas": "2"}
    name = make_topic(partitions=2, config=config)
    topics = library.topics(durable_broker.bootstrap_servers, {})
    assert topics.settings(name) == TopicSettings(1, 1, "compact", 2)
    topics.close()


def test_a_topic_that_appears_is_found(library: Client, durable_broker: Server) -> None:
    topic = f"appears.later.{uuid4()}"
    broker = library.broker(durable_broker.bootstrap_servers, {})
    broker.open()
    assert broker.unavailable({topic})
    durable_broker.create_topic(topic)
    eventually(lambda: not broker.unavailable({topic}))
    broker.close()


def test_an_unreachable_broker_is_an_outage_that_names_the_address(library: Client) -> None:
    broker = library.broker("127.0.0.1:1", {})
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        broker.open()
    assert not broker.is_open
    with pytest.raises(BrokerUnavailable):
        broker.send([Record(1, "t", b"k", b"{}", HEADERS)], END)


def test_a_frozen_broker_acknowledges_nothing_and_everything_once_it_wakes(
    library: Client, breakable_broker: Server, make_topic: MakeTopic
) -> None:
    topic = make_topic(on=breakable_broker)
    broker = library.broker(breakable_broker.bootstrap_servers, {})
    broker.open()
    assert settled(broker.send([Record(0, topic, b"k", b"0", HEADERS)], END)) == 1
    breakable_broker.freeze()
    delivery = broker.send(
        [Record(i, topic, b"k", str(i).encode(), HEADERS) for i in range(1, 9)], END
    )
    assert delivery.settle(1.0) == 0
    assert delivery.error is None
    breakable_broker.thaw()
    eventually(lambda: delivery.settle(0.1) == 8)
    values = [r.value for r in read_topic(breakable_broker.bootstrap_servers, topic)]
    assert values == [str(i).encode() for i in range(9)]
    broker.close()


def knock(address: str, times: int) -> list[socket.socket]:
    """Ask for connections, and wait for none."""
    host, port = address.split(":")
    asking = [socket.socket() for _ in range(times)]
    for each in asking:
        each.setblocking(False)
        each.connect_ex((host, int(port)))
    return asking


def test_through_librdkafka_a_frozen_broker_at_which_many_knock_is_used_soon_after_it_wakes(
    breakable_broker: Server, make_topic: MakeTopic
) -> None:
    """What does not fit its queue, the system asks for more and more seldom."""
    topic = make_topic(on=breakable_broker)
    config = {"socket_timeout_ms": "2000"}  # so that it connects anew
    broker = client("librdkafka").broker(breakable_broker.bootstrap_servers, config)
    with closing(broker), ExitStack() as others:
        broker.open()
        assert settled(broker.send([Record(1, topic, b"k", b"{}", HEADERS)], END)) == 1
        breakable_broker.freeze()
        for each in knock(breakable_broker.bootstrap_servers, times=120):
            others.enter_context(each)
        delivery = broker.send([Record(2, topic, b"k", b"{}", HEADERS)], END)
        assert settled(delivery, 26.0) == 0  # between the last two times in half a minute
        breakable_broker.thaw()
        eventually(lambda: delivery.settle(0.1) == 1, timeout=5)


def test_a_record_that_waits_while_another_topic_refuses_one_is_not_refused_itself(
    durable_broker: Server, make_topic: MakeTopic
) -> None:
    sound = make_topic(partitions=1)
    picky = make_topic(partitions=1, config={"message.timestamp.before.max.ms": "0"})
    broker = KafkaPythonBroker(durable_broker.bootstrap_servers)
    with closing(broker):
        broker.open()
        assert settled(broker.send([Record(1, sound, b"k", b"{}", HEADERS)], END)) == 1
        muted = broker._producer._accumulator.muted
        muted.add(TopicPartition(sound, 0))  # as while its leader is slow
        first = broker.send([Record(2, sound, b"k", b"{}", HEADERS)], END)
        second = broker.send([Record(3, picky, b"k", b"{}", HEADERS)], END)
        eventually(lambda: first.settle(0.1) or first.error)
        assert isinstance(first.error, Interrupted)
        second.settle(0.0)
        assert isinstance(second.error, RecordRejected)
