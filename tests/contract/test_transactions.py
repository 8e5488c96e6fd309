"""What a broker promises whose pages are atomic, asked of each client against Kafka."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import count

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from local.kafka import Broker as Server
from publisher.adapters.clients import CLIENTS, client
from publisher.adapters.journal import KEY, TAIL, Journal
from publisher.adapters.kafka_python_transactions import KafkaPythonTransactions
from publisher.errors import (
    BrokerFenced,
    BrokerUnavailable,
    PositionAhead,
    PositionLost,
    StandsBy,
    StoreUnavailable,
)
from publisher.ports import Broker, Delivery, Record, Tenure
from publisher.position import Checkpoint, Position, Progress, Snapshot
from tests.conftest import MakeTopic
from tests.topics import read_topic
from tests.waiting import eventually

_numbers = count(1)
START = Position(Snapshot(5, 9, (6, 7)), Snapshot(9, 12), 40)
ENDS = [
    Checkpoint(
        Position(Snapshot(12, 12), Snapshot(20, 30, (21,)), n),
        Progress(n, START, 7) if n % 2 else None,
    )
    for n in range(100)
]

Make = Callable[[], Broker]


@pytest.fixture
def journal() -> Journal:
    return Journal(f"test.transactions.{os.getpid()}.{next(_numbers)}")


@pytest.fixture(params=CLIENTS)
def make(
    request: pytest.FixtureRequest, durable_broker: Server, journal: Journal
) -> Iterator[Make]:
    """Publishers of one name, each a process of its own as far as Kafka can tell."""
    made: list[Broker] = []

    def make() -> Broker:
        made.append(
            client(request.param).transactions(durable_broker.bootstrap_servers, {}, journal)
        )
        made[-1].open()
        return made[-1]

    yield make
    for broker in made:
        broker.close()


@pytest.fixture
def topic(make_topic: MakeTopic) -> str:
    return make_topic(partitions=3)


def fresh(position: Position = START, source: str = "/shop", database: str = "7/1") -> Tenure:
    return Tenure(position, source, inherited=True, database=database)


def mirrored(source: str = "/shop", database: str = "7/1") -> Tenure:
    return Tenure(Position(), source, inherited=True, mirrored=True, database=database)


def held() -> int:
    """The database says that the position is still this publisher's, and how far it is."""
    return 1_000


def page(topic: str, *values: bytes) -> list[Record]:
    return [Record(n, topic, b"k%d" % (n % 5), value, []) for n, value in enumerate(values)]


def committed(delivery: Delivery) -> None:
    eventually(lambda: delivery.settle(0.1) or delivery.error)
    assert delivery.error is None


def values(server: Server, topic: str) -> list[bytes]:
    return sorted(record.value for record in read_topic(server.bootstrap_servers, topic))


def test_the_first_time_the_position_of_the_database_counts(make: Make) -> None:
    assert make().recover(fresh(), held) == Checkpoint(START)
    assert make().recover(mirrored(), held) == Checkpoint(START)


def test_a_successor_goes_on_behind_the_last_page_that_was_committed(
    make: Make, topic: str, durable_broker: Server
) -> None:
    first = make()
    first.recover(fresh(), held)
    for number in range(3):
        committed(first.send(page(topic, b"%d" % number), ENDS[number]))
    assert make().recover(mirrored(), held) == ENDS[2]
    assert values(durable_broker, topic) == [b"0", b"1", b"2"]


def test_what_a_predecessor_left_open_never_shows(
    make: Make, topic: str, durable_broker: Server
) -> None:
    first = make()
    first.recover(fresh(), held)
    committed(first.send(page(topic, b"committed"), ENDS[0]))
    producer = open_transaction(first, topic)
    second = make()
    assert second.recover(mirrored(), held) == ENDS[0]
    committed(second.send(page(topic, b"next"), ENDS[1]))
    assert values(durable_broker, topic) == [b"committed", b"next"]
    assert make().recover(mirrored(), held) == ENDS[1]
    del producer


def open_transaction(broker: Broker, *topics: str) -> object:
    """Send records and never commit them, as a process does that is killed or frozen there."""
    producer = broker._producer if hasattr(broker, "_producer") else broker._hands.producer  # type: ignore[attr-defined]
    producer.begin_transaction()
    for topic in topics:
        if hasattr(producer, "send"):
            producer.send(topic, b"left open", b"k").get(10)
        else:
            producer.produce(topic, b"left open", b"k")
            producer.flush(10)
    return producer


def test_what_nobody_succeeds_hides_what_is_behind_it_until_its_time_out(
    durable_broker: Server, make_topic: MakeTopic
) -> None:
    """Asked of both clients at once, for the wait is long; Kafka looks every 10 s for those whose
    time is up."""
    servers, topics, kept = durable_broker.bootstrap_servers, dict[str, str](), []
    with ExitStack() as stack, closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:

        def started(name: str) -> tuple[Broker, str]:
            journal = Journal(f"test.transactions.{os.getpid()}.{next(_numbers)}")
            broker = client(name).transactions(servers, {}, journal)
            stack.callback(broker.close)
            broker.open()
            broker.recover(fresh(), held)
            return broker, journal.topic

        for name in CLIENTS:
            lost, known_as = started(name)
            other, _ = started(name)
            topics[name] = topic = make_topic()
            kept.append(open_transaction(lost, topic))
            committed(other.send(page(topic, b"behind"), ENDS[0]))
            found = admin.describe_transactions([known_as])[known_as]
            assert (found.state.value, found.transaction_timeout_ms) == ("Ongoing", 30_000)
            assert values(durable_broker, topic) == []
        eventually(
            lambda: all(values(durable_broker, topic) == [b"behind"] for topic in topics.values()),
            timeout=60,
        )


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("kafka-python", {"transaction_timeout_ms": "2000"}),
        ("librdkafka", {"transaction_timeout_ms": "2000", "socket_timeout_ms": "2000"}),
    ],
)
def test_a_transaction_that_outlives_its_time_out_is_tried_again(
    breakable_broker: Server,
    make_topic: MakeTopic,
    journal: Journal,
    name: str,
    settings: dict[str, str],
) -> None:
    topic = make_topic(on=breakable_broker)
    broker = client(name).transactions(breakable_broker.bootstrap_servers, settings, journal)
    with closing(broker):
        broker.open()
        broker.recover(fresh(), held)
        committed(broker.send(page(topic, b"before"), ENDS[0]))
        breakable_broker.freeze()
        try:
            late = broker.send(page(topic, b"late"), ENDS[1])
            eventually(lambda: late.settle(0.1) or late.error, timeout=20)
        finally:
            breakable_broker.thaw()
        assert isinstance(late.error, BrokerUnavailable)
        assert not late.arrived
        broker.close()
        broker.open()
        assert broker.recover(mirrored(), held) in (ENDS[0], ENDS[1])


def test_a_predecessor_that_wakes_up_is_fenced_and_nothing_of_it_arrives(
    make: Make, topic: str, durable_broker: Server
) -> None:
    zombie = make()
    zombie.recover(fresh(), held)
    committed(zombie.send(page(topic, b"before"), ENDS[0]))
    successor = make()
    successor.recover(mirrored(), held)
    late = zombie.send(page(topic, b"late"), ENDS[1])
    eventually(lambda: late.settle(0.1) or late.error)
    assert isinstance(late.error, BrokerFenced)
    committed(successor.send(page(topic, b"after"), ENDS[2]))
    assert values(durable_broker, topic) == [b"after", b"before"]
    assert make().recover(mirrored(), held) == ENDS[2]


def test_a_producer_whose_sequence_kafka_refuses_in_a_transaction_begins_no_other(
    durable_broker: Server, make_topic: MakeTopic, journal: Journal
) -> None:
    """As after a loss of the broker's log. Librdkafka's sequence is out of reach."""
    topic = make_topic()
    servers = durable_broker.bootstrap_servers
    broker = KafkaPythonTransactions(servers, {"batch_size": "1"}, journal)
    with closing(broker):
        broker.open()
        broker.recover(fresh(), held)
        committed(broker.send(page(topic, b"0"), ENDS[0]))
        broker._producer._transaction_manager.increment_sequence_number(TopicPartition(topic, 0), 7)
        refused = broker.send(page(topic, b"1", b"2", b"3"), ENDS[1])
        eventually(lambda: refused.settle(0.1) == 0 and refused.error is not None)
        assert isinstance(refused.error, BrokerUnavailable)
        assert "OutOfOrderSequence" in str(refused.error)
        eventually(lambda: all(future.is_done for future in refused.futures))
        assert isinstance(broker.send(page(topic, b"4"), ENDS[2]).error, BrokerUnavailable)
        broker.open()
        assert broker.recover(mirrored(), held) == ENDS[0]
        committed(broker.send(page(topic, b"1", b"2", b"3"), ENDS[1]))
    assert [r.value for r in read_topic(servers, topic)] == [b"0", b"1", b"2", b"3"]


def test_the_newest_position_is_found_behind_a_long_journal(
    make: Make, topic: str, durable_broker: Server, journal: Journal
) -> None:
    make().recover(fresh(), held)
    assert len(read_topic(durable_broker.bootstrap_servers, journal.topic)) == 1
    broker = make()
    broker.recover(mirrored(), held)
    for number in range(TAIL):
        committed(broker.send(page(topic, b"x"), ENDS[number]))
    assert make().recover(mirrored(), held) == ENDS[TAIL - 1]


def test_transactions_that_were_aborted_hide_no_position(
    make: Make, topic: str, journal: Journal
) -> None:
    broker = make()
    broker.recover(fresh(), held)
    kept = []
    for _ in range(TAIL // 2 + 5):
        kept.append(open_transaction(broker, topic, journal.topic))
        broker = make()
        assert broker.recover(mirrored(), held) == Checkpoint(START)


def test_a_journal_that_is_gone_is_refused(make: Make) -> None:
    with pytest.raises(PositionLost, match="position rebase --since 1h"):
        make().recover(mirrored(), held)


def test_a_publisher_of_another_project_is_refused_before_it_fences_anybody(
    make: Make, topic: str
) -> None:
    ours = make()
    ours.recover(fresh(), held)
    for tenure in (
        fresh(source="/bakery"),
        mirrored(source="/bakery"),
        fresh(database="7/2"),
        mirrored(database="7/2"),
    ):
        with pytest.raises(PositionLost, match=r"'/shop' in database 7/1, this is "):
            make().recover(tenure, held)
    committed(ours.send(page(topic, b"undisturbed"), ENDS[0]))


def test_a_source_that_was_changed_names_the_setting_and_both_ways_out(make: Make) -> None:
    make().recover(fresh(), held)
    for tenure in (mirrored(source="/store"), replace(fresh(source="/store"), rebased=True)):
        with pytest.raises(PositionLost) as caught:
            make().recover(tenure, held)
        text = str(caught.value)
        assert "OUTBOX_SOURCE was changed, set it to '/shop' again and run `manage.py mig" in text
        assert "choose another PUBLISHER_NAME, with `outbox-publisher position rebase" in text
    with pytest.raises(PositionLost, match="PUBLISHER_NAME, or, if this database is"):
        make().recover(mirrored(database="7/2"), held)


def test_another_name_has_a_journal_of_its_own_which_no_open_transaction_hides(
    make: Make, topic: str, durable_broker: Server
) -> None:
    busy = make()
    busy.recover(fresh(), held)
    kept = open_transaction(busy, topic)
    other = Journal(f"test.transactions.{os.getpid()}.{next(_numbers)}")
    for _ in range(2):
        broker = client("kafka-python").transactions(durable_broker.bootstrap_servers, {}, other)
        broker.open()
        assert broker.recover(fresh(), held) == Checkpoint(START)
        committed(broker.send(page(topic, b"x"), ENDS[7]))
        broker.close()
    broker.open()
    assert broker.recover(mirrored(), held) == ENDS[7]
    broker.close()
    del kept


def test_the_journal_is_compacted_and_has_one_partition(
    make: Make, journal: Journal, durable_broker: Server
) -> None:
    make().recover(fresh(), held)
    topics = client("kafka-python").topics(durable_broker.bootstrap_servers, {})
    assert topics.describe([journal.topic]) == {journal.topic: 1}
    topics.close()
    (record,) = read_topic(durable_broker.bootstrap_servers, journal.topic)
    assert record.key == KEY
    assert json.loads(record.value) == {
        "source": "/shop",
        "database": "7/1",
        "prev": "5:9:6,7",
        "now": "9:12:",
        "last_id": 40,
    }


def test_what_is_no_position_in_the_journal_is_refused(
    make: Make, journal: Journal, durable_broker: Server
) -> None:
    make().recover(fresh(), held)
    stranger = KafkaProducer(bootstrap_servers=durable_broker.bootstrap_servers)
    stranger.send(journal.topic, b"hello", b"?").get(10)
    stranger.close()
    with pytest.raises(PositionLost, match="is no position"):
        make().recover(mirrored(), held)


def test_a_broker_that_never_recovered_sends_nothing(make: Make, topic: str) -> None:
    delivery = make().send(page(topic, b"x"), ENDS[0])
    assert delivery.stopped
    assert isinstance(delivery.error, BrokerUnavailable)


def test_a_database_that_was_restored_or_moved_takes_its_journal_along(make: Make) -> None:
    make().recover(fresh(), held)
    elsewhere = replace(fresh(ENDS[3].position, database="8/1"), rebased=True)
    assert make().recover(elsewhere, held) == Checkpoint(ENDS[3].position)
    assert make().recover(mirrored(database="8/1"), held) == Checkpoint(ENDS[3].position)


def test_who_lost_the_position_meanwhile_does_not_write_an_older_one(
    make: Make, topic: str
) -> None:
    successor = make()

    def lost() -> int:
        successor.recover(fresh(), held)
        committed(successor.send(page(topic, b"x"), ENDS[2]))
        raise StandsBy("another publisher took over")

    with pytest.raises(StandsBy):
        make().recover(fresh(), lost)
    assert make().recover(mirrored(), held) == ENDS[2]


def test_a_journal_ahead_of_a_database_that_was_put_back_is_refused_before_it_fences_anybody(
    make: Make, topic: str
) -> None:
    ours = make()
    ours.recover(fresh(), held)
    committed(ours.send(page(topic, b"x"), ENDS[0]))
    ahead = ENDS[0].position.seen.xmax
    with pytest.raises(PositionAhead, match=rf"before transaction {ahead}, but .* {ahead - 1}: an"):
        make().recover(mirrored(), lambda: ahead - 1)
    committed(ours.send(page(topic, b"undisturbed"), ENDS[0]))
    assert make().recover(mirrored(), lambda: ahead) == ENDS[0]
    assert make().recover(replace(fresh(), rebased=True), lambda: 1).retried is None


def test_an_end_is_kept_once_the_database_confirms_what_it_counts(
    make: Make, topic: str, durable_broker: Server
) -> None:
    confirmed: list[int] = []
    broker = make()

    def confirm() -> int:
        confirmed.append(len(values(durable_broker, topic)))
        return 1_000

    broker.recover(fresh(), confirm)
    del confirmed[:]
    committed(broker.send(page(topic, b"1"), ENDS[0]))
    committed(broker.send(page(topic, b"2"), ENDS[2]))  # Of the same window.
    committed(broker.send(page(topic, b"3"), Checkpoint(Position(Snapshot(20, 31, (21,))))))
    assert confirmed == [0, 2]


def test_nothing_is_sent_where_the_database_does_not_confirm_what_the_end_counts(
    make: Make, topic: str, durable_broker: Server
) -> None:
    make().recover(fresh(), held)
    broker = make()
    answers = iter([1_000])

    def once() -> int:
        for answer in answers:
            return answer
        raise StoreUnavailable("PostgreSQL ended the session")

    broker.recover(mirrored(), once)
    with pytest.raises(StoreUnavailable):
        broker.send(page(topic, b"x"), ENDS[0])
    assert values(durable_broker, topic) == []
    assert make().recover(mirrored(), held) == Checkpoint(START)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("kafka-python", {"connections_max_idle_ms": "20000"}),
        ("kafka-python", {"request_timeout_ms": "1000000"}),
        ("librdkafka", {"receive_message_max_bytes": "1000000"}),
        ("librdkafka", {"max_poll_interval_ms": "1000"}),
    ],
)
def test_the_journal_is_read_though_a_consumer_would_refuse_a_setting_of_the_producer(
    durable_broker: Server, journal: Journal, name: str, setting: dict[str, str]
) -> None:
    assert client(name).config_problems(setting) == []
    broker = client(name).transactions(durable_broker.bootstrap_servers, setting, journal)
    broker.open()
    try:
        assert broker.recover(fresh(), held) == Checkpoint(START)
    finally:
        broker.close()
