"""What exactly once needs to be allowed, asked of each client against a Kafka that forbids."""

import os
from collections.abc import Iterator
from itertools import count

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from local.kafka import Broker as Server
from publisher.adapters.clients import CLIENTS, client
from publisher.adapters.journal import Journal
from publisher.errors import BrokerUnavailable, RecordRejected, TopicForbidden, Unavailable
from publisher.ports import Broker, Record, Tenure, TopicSettings
from publisher.position import Checkpoint, Position, Snapshot
from tests.waiting import eventually

_numbers = count(1)
START = Checkpoint(Position(Snapshot(5, 9)))
FRESH = Tenure(START.position, "/shop", inherited=True, database="7/1")
MIRRORED = Tenure(Position(), "/shop", inherited=True, mirrored=True, database="7/1")

READ, WRITE, DESCRIBE = ACLOperation.READ, ACLOperation.WRITE, ACLOperation.DESCRIBE


@pytest.fixture
def journal() -> Journal:
    return Journal(f"test.rights.{os.getpid()}.{next(_numbers)}")


@pytest.fixture(params=CLIENTS)
def broker(
    request: pytest.FixtureRequest, strict_server: Server, journal: Journal
) -> Iterator[Broker]:
    """It has recovered once, when everything was allowed."""
    made = client(request.param).transactions(strict_server.bootstrap_servers, {}, journal)
    assert starts(made, FRESH) == START
    yield made
    made.close()


def starts(broker: Broker, tenure: Tenure) -> Checkpoint:
    """As after a failure: everything is asked anew."""
    broker.close()
    broker.open()
    return broker.recover(tenure, lambda: 1_000)


def allow_only(
    server: Server, kind: ResourceType, name: str, operations: list[ACLOperation]
) -> None:
    """Others may do everything, this user nothing else."""
    rights = [("User:other", ACLOperation.ALL), *(("User:ANONYMOUS", each) for each in operations)]
    admin = KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)
    done = admin.create_acls(
        [
            ACL(user, "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name))
            for user, operation in rights
        ]
    )
    admin.close()
    assert not done["failed"]


def complaint(broker: Broker) -> str:
    said: list[str] = []

    def is_refused() -> bool:
        try:
            starts(broker, MIRRORED)
        except BrokerUnavailable as exc:
            said.append(str(exc))
        return bool(said)

    eventually(is_refused)
    return said[0]


@pytest.mark.parametrize("allowed", [[], [DESCRIBE]], ids=str)
def test_a_transactional_id_that_is_forbidden_is_named_with_the_rights_that_it_needs(
    broker: Broker,
    strict_server: Server,
    journal: Journal,
    allowed: list[ACLOperation],
) -> None:
    allow_only(strict_server, ResourceType.TRANSACTIONAL_ID, journal.topic, allowed)
    assert complaint(broker) == (
        f"transactional id '{journal.topic}' is forbidden: grant this user Write and Describe on it"
    )


@pytest.mark.parametrize("allowed", [[], [READ], [WRITE], [DESCRIBE]], ids=str)
def test_a_journal_that_is_forbidden_is_named_with_the_rights_that_it_needs(
    broker: Broker,
    strict_server: Server,
    journal: Journal,
    allowed: list[ACLOperation],
) -> None:
    allow_only(strict_server, ResourceType.TOPIC, journal.topic, allowed)
    text = complaint(broker)
    assert f"topic '{journal.topic}', where exactly once keeps the position, is forbidden" in text
    assert "grant this user Read, Write and Describe on it" in text


@pytest.mark.parametrize("library", CLIENTS)
def test_of_a_topic_whose_settings_this_user_may_not_know_the_replicas_are_told(
    library: str, strict_server: Server, journal: Journal
) -> None:
    strict_server.create_topic(journal.topic)
    allow_only(strict_server, ResourceType.TOPIC, journal.topic, [DESCRIBE])
    topics = client(library).topics(strict_server.bootstrap_servers, {})
    eventually(lambda: topics.settings(journal.topic).cleanup_policy is None)
    assert topics.settings(journal.topic) == TopicSettings(1, 1, None, None)
    topics.close()


@pytest.mark.parametrize("exactly_once", [False, True], ids=["at least once", "exactly once"])
@pytest.mark.parametrize("library", CLIENTS)
def test_a_topic_that_refuses_a_record_is_named_though_kafka_did_not_tell_before(
    library: str, exactly_once: bool, strict_server: Server, journal: Journal
) -> None:
    good, bad = f"{journal.name}.good", f"{journal.name}.bad"
    for topic in (good, bad):
        strict_server.create_topic(topic)
    allow_only(strict_server, ResourceType.TOPIC, bad, [DESCRIBE])
    servers, chosen = strict_server.bootstrap_servers, client(library)
    broker = chosen.broker(servers, {})
    if exactly_once:
        broker = chosen.transactions(servers, {}, journal)
    try:
        assert starts(broker, FRESH) == START
        eventually(lambda: broker.unavailable({bad}))
        for topics in ([bad, bad], [good, bad]):
            error = refusal(broker, topics)
            if library == "librdkafka" and exactly_once and good in topics:
                assert isinstance(error, RecordRejected)  # smaller pages tell
                assert (error.first, error.upto) == (0, 1)
                assert f"'{bad}', '{good}' is forbidden" in str(error)
            else:
                assert isinstance(error, TopicForbidden)
                assert error.topic == bad
                assert f"topic '{bad}' is forbidden: grant this user Write" in str(error)
            starts(broker, MIRRORED if exactly_once else FRESH)
    finally:
        broker.close()


@pytest.mark.parametrize("topics", [["one"], ["one", "other"]], ids=["one topic", "two topics"])
def test_a_journal_that_is_forbidden_while_it_is_used_is_no_fault_of_the_topics(
    broker: Broker, strict_server: Server, journal: Journal, topics: list[str]
) -> None:
    sound = [f"{journal.name}.{topic}" for topic in topics]
    for topic in sound:
        strict_server.create_topic(topic)
    allow_only(strict_server, ResourceType.TOPIC, journal.topic, [READ, DESCRIBE])

    def error() -> Unavailable | None:
        page = [Record(at, sound[at % len(sound)], b"k", b"{}", []) for at in range(2)]
        delivery = broker.send(page, START)
        eventually(lambda: delivery.settle(0.1) or delivery.error)
        return delivery.error

    refused = next(filter(None, iter(error, 0)))
    assert type(refused) is BrokerUnavailable, refused
    assert repr(journal.topic) in str(refused)
    assert f"topic '{journal.topic}', where exactly once keeps the position" in complaint(broker)


def refusal(broker: Broker, topics: list[str]) -> Unavailable | None:
    page = [Record(at, topic, b"k", b"{}", []) for at, topic in enumerate(topics)]
    delivery = broker.send(page, START)
    eventually(lambda: delivery.settle(0.1) < 2 and delivery.error is not None)
    return delivery.error


def test_the_rights_that_are_documented_are_enough(
    broker: Broker, strict_server: Server, journal: Journal
) -> None:
    allow_only(strict_server, ResourceType.TOPIC, journal.topic, [READ, WRITE, DESCRIBE])
    allow_only(strict_server, ResourceType.TRANSACTIONAL_ID, journal.topic, [WRITE, DESCRIBE])
    allow_only(strict_server, ResourceType.GROUP, journal.topic, [])
    for _ in range(3):  # A right that is taken away reaches the broker a little later.
        assert starts(broker, MIRRORED) == START
