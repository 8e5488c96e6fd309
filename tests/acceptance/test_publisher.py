"""The process as its operator meets it: start, outage, stop, and what the commands say."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local.kafka import Broker
from local.postgres import Postgres
from tests.acceptance.publishers import Publisher
from tests.conftest import MakeTopic, migrate
from tests.topics import read_topic
from tests.waiting import eventually
from tests.writers import execute, write

FROZEN = float(os.environ.get("FROZEN_SECONDS", 125))
"""By default kafka-python gives a record up after 120 s; librdkafka does after 300 s."""


@pytest.fixture
def publisher(
    request: pytest.FixtureRequest,
    migrated_database_url: str,
    kafka_broker: Broker,
    tmp_path: Path,
) -> Iterator[Publisher]:
    env = {"PUBLISHER_KAFKA_CLIENT": getattr(request, "param", "kafka-python")}
    servers = kafka_broker.bootstrap_servers
    with Publisher(migrated_database_url, servers, tmp_path, **env) as publisher:
        yield publisher


with_each_client = pytest.mark.parametrize(
    "publisher", ["kafka-python", "librdkafka"], indirect=True
)


@pytest.fixture
def breakable_publisher(
    migrated_database_url: str, breakable_broker: Broker, tmp_path: Path
) -> Iterator[Publisher]:
    """A publisher to the broker that the test breaks."""
    servers = breakable_broker.bootstrap_servers
    with Publisher(migrated_database_url, servers, tmp_path) as publisher:
        yield publisher


def values(broker: Broker, topic: str) -> list[bytes]:
    return [record.key for record in read_topic(broker.bootstrap_servers, topic)]


@with_each_client
def test_a_polite_stop_is_quick_and_stores_the_position(
    publisher: Publisher, migrated_database_url: str, kafka_broker: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic()
    write(migrated_database_url, b"a", b"b", topic=topic)
    eventually(lambda: values(kafka_broker, topic) == [b"a", b"b"], timeout=20)
    started = time.monotonic()
    assert publisher.process.stop() == 0
    assert time.monotonic() - started < 5
    publisher.process.start()
    write(migrated_database_url, b"c", topic=topic)
    eventually(lambda: len(values(kafka_broker, topic)) >= 3, timeout=20)
    assert values(kafka_broker, topic) == [b"a", b"b", b"c"]


def test_a_stop_stores_what_was_acknowledged_since_the_last_save(
    publisher: Publisher, migrated_database_url: str, kafka_broker: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic()
    write(migrated_database_url, b"a", topic=topic)
    eventually(lambda: publisher.acknowledged == 1, timeout=20)
    eventually(lambda: "no row waits" in publisher.command("position", "show").stdout)
    write(migrated_database_url, b"b", topic=topic)
    eventually(lambda: publisher.acknowledged == 2)
    write(migrated_database_url, b"c", topic=topic)
    eventually(lambda: publisher.acknowledged == 3)
    assert publisher.process.stop() == 0
    assert "no row waits" in publisher.command("position", "show").stdout


@with_each_client
def test_the_time_in_kafka_is_the_time_of_sending(
    publisher: Publisher, migrated_database_url: str, kafka_broker: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic()
    publisher.process.stop()
    write(migrated_database_url, b"a", topic=topic)
    with psycopg.connect(migrated_database_url) as connection:
        connection.execute("UPDATE outbox_event SET created_at = created_at - interval '30 days'")
    before = time.time()
    publisher.process.start()
    eventually(lambda: values(kafka_broker, topic), timeout=20)
    (record,) = read_topic(kafka_broker.bootstrap_servers, topic)
    assert record.timestamp / 1000 >= before - 1
    sent_at = time.strftime("%Y-%m-%d", time.gmtime(before)).encode()
    assert not dict(record.headers)["ce_time"].startswith(sent_at)


def test_a_broker_that_is_away_is_waited_for_and_nothing_is_lost_or_inverted(
    breakable_publisher: Publisher,
    migrated_database_url: str,
    breakable_broker: Broker,
    make_topic: MakeTopic,
) -> None:
    publisher, topic = breakable_publisher, make_topic(on=breakable_broker)
    write(migrated_database_url, b"0", topic=topic)
    eventually(lambda: publisher.ready()["ready"], timeout=20)
    breakable_broker.kill()
    for number in range(1, 50):
        write(migrated_database_url, str(number).encode(), topic=topic)
    eventually(lambda: not publisher.ready()["ready"], timeout=30)
    eventually(lambda: (publisher.ready()["lag_rows"] or 0) >= 49, timeout=30)
    breakable_broker.start()
    eventually(lambda: publisher.ready()["ready"], timeout=60)
    found = list(dict.fromkeys(values(breakable_broker, topic)))
    assert found == [str(number).encode() for number in range(50)]


@pytest.mark.timeout(FROZEN + 180)
@pytest.mark.parametrize("client", ["librdkafka", "kafka-python"])
def test_a_broker_frozen_for_longer_than_the_default_delivery_timeout_resumes_within_5_s(
    migrated_database_url: str,
    breakable_broker: Broker,
    make_topic: MakeTopic,
    tmp_path: Path,
    client: str,
) -> None:
    url, servers = migrated_database_url, breakable_broker.bootstrap_servers
    topic = make_topic(on=breakable_broker)
    with Publisher(url, servers, tmp_path, PUBLISHER_KAFKA_CLIENT=client) as publisher:
        write(url, b"0", topic=topic)
        eventually(lambda: values(breakable_broker, topic) == [b"0"], timeout=30)
        breakable_broker.freeze()
        for number in range(1, 101):
            write(url, str(number).encode(), topic=topic)
        time.sleep(FROZEN)
        assert publisher.process.running
        assert not publisher.ready()["ready"]
        breakable_broker.thaw()
        breakable_broker.wait(30)
        answers = time.monotonic()
        eventually(lambda: publisher.ready()["ready"], timeout=5)
        left = answers + 5 - time.monotonic()
        eventually(lambda: publisher.acknowledged >= 101, timeout=left)
        assert publisher.ready()["set_aside"] == []
        assert not [line for line in publisher.lines if line["event"] == "set aside"]
    found = values(breakable_broker, topic)
    assert list(dict.fromkeys(found)) == [str(number).encode() for number in range(101)]


def test_a_database_that_restarts_is_waited_for(
    private_postgres: Postgres, kafka_broker: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    topic = make_topic()
    url = private_postgres.create_database("shop")
    migrate(url)
    with Publisher(url, kafka_broker.bootstrap_servers, tmp_path) as publisher:
        write(url, b"a", topic=topic)
        eventually(lambda: values(kafka_broker, topic) == [b"a"], timeout=20)
        private_postgres.kill()
        eventually(lambda: "PostgreSQL" in str(publisher.ready()["waits_for"]), timeout=20)
        private_postgres.start()
        write(url, b"b", topic=topic)
        eventually(lambda: b"b" in values(kafka_broker, topic), timeout=30)
        assert list(dict.fromkeys(values(kafka_broker, topic))) == [b"a", b"b"]
        assert publisher.process.stop() == 0


def test_a_second_signal_leaves_at_once(
    breakable_publisher: Publisher,
    migrated_database_url: str,
    breakable_broker: Broker,
    make_topic: MakeTopic,
) -> None:
    publisher, topic = breakable_publisher, make_topic(on=breakable_broker)
    hold_a_record(publisher, migrated_database_url, breakable_broker, topic)
    publisher.process.signal(signal.SIGTERM)
    time.sleep(0.5)  # two signals at once are one
    assert publisher.process.running
    publisher.process.signal(signal.SIGTERM)
    # A polite stop would take 3 s, and end with 0.
    assert publisher.process.wait(2.5) == 128 + signal.SIGTERM


def hold_a_record(publisher: Publisher, url: str, broker: Broker, topic: str) -> None:
    """Freeze the broker with one record acknowledged and one on its way."""
    write(url, b"a", topic=topic)
    eventually(lambda: publisher.acknowledged == 1, timeout=20)
    broker.freeze()
    write(url, b"b", topic=topic)
    time.sleep(0.3)  # it polls every 50 ms


def assert_polite(publisher: Publisher) -> None:
    code, seconds = publisher.stop()
    assert code == 0, publisher.process.tail()
    assert seconds < 5


def test_a_stop_with_a_record_at_a_frozen_broker_is_polite(
    breakable_publisher: Publisher,
    migrated_database_url: str,
    breakable_broker: Broker,
    make_topic: MakeTopic,
) -> None:
    topic = make_topic(on=breakable_broker)
    hold_a_record(breakable_publisher, migrated_database_url, breakable_broker, topic)
    assert_polite(breakable_publisher)
    assert "; 1 row waits" in breakable_publisher.command("position", "show").stdout


def test_a_stop_in_the_middle_of_a_question_to_a_frozen_broker_is_polite(
    breakable_publisher: Publisher,
    migrated_database_url: str,
    breakable_broker: Broker,
    make_topic: MakeTopic,
) -> None:
    publisher, topic = breakable_publisher, make_topic(on=breakable_broker)
    hold_a_record(publisher, migrated_database_url, breakable_broker, topic)
    eventually(lambda: not publisher.ready()["ready"], timeout=20)
    time.sleep(0.5)  # it asks for two seconds
    assert_polite(publisher)
    reasons = [line["reason"] for line in publisher.lines if line["event"] == "waiting"]
    assert any("does not acknowledge outbox row" in reason for reason in reasons)


def test_a_stop_while_kafka_is_away_is_polite_and_an_outage_fills_no_log(
    breakable_publisher: Publisher,
    migrated_database_url: str,
    breakable_broker: Broker,
    make_topic: MakeTopic,
) -> None:
    publisher, topic = breakable_publisher, make_topic(on=breakable_broker)
    write(migrated_database_url, b"a", topic=topic)
    eventually(lambda: publisher.acknowledged == 1, timeout=20)
    breakable_broker.kill()
    before = len(publisher.lines)
    write(migrated_database_url, b"b", topic=topic)
    eventually(lambda: not publisher.ready()["ready"], timeout=20)
    waits = publisher.waits
    eventually(lambda: publisher.waits >= waits + 3, timeout=30)
    said = publisher.lines[before:]
    assert len(said) <= 4
    assert not [line for line in said if line["logger"].startswith("kafka")]
    assert "nothing listens there" in publisher.ready()["waits_for"]
    assert breakable_broker.bootstrap_servers in publisher.ready()["waits_for"]
    assert_polite(publisher)


def test_a_stop_while_kafka_was_never_there_is_polite(
    migrated_database_url: str, tmp_path: Path
) -> None:
    with Publisher(migrated_database_url, "127.0.0.1:1", tmp_path) as publisher:
        eventually(lambda: "nothing listens" in str(publisher.ready()["waits_for"]), timeout=20)
        assert publisher.ready()["lag_rows"] == 0
        assert_polite(publisher)


def test_a_stop_while_a_topic_is_missing_is_polite(
    publisher: Publisher, migrated_database_url: str
) -> None:
    write(migrated_database_url, b"a", topic="no.such.topic")
    eventually(lambda: "no.such.topic" in str(publisher.ready()["set_aside"]), timeout=20)
    assert_polite(publisher)


def test_a_stop_while_postgres_hangs_is_polite(
    private_postgres: Postgres, kafka_broker: Broker, tmp_path: Path
) -> None:
    url = private_postgres.create_database("shop")
    migrate(url)
    with Publisher(url, kafka_broker.bootstrap_servers, tmp_path) as publisher:
        eventually(lambda: publisher.ready()["ready"], timeout=20)
        private_postgres.freeze()
        time.sleep(0.5)  # it polls every 50 ms
        assert_polite(publisher)
        private_postgres.thaw()


def test_a_row_that_the_topic_refuses_is_named_once_and_others_are_repeated_a_little(
    publisher: Publisher, migrated_database_url: str, durable_broker: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic(partitions=3, config={"max.message.bytes": "2000"})
    write(migrated_database_url, *(b"%d" % n for n in range(50)), topic=topic)
    (large,) = write(migrated_database_url, b"large", topic=topic, value=b"x" * 10_000)
    write(migrated_database_url, *(b"%d" % n for n in range(50, 300)), topic=topic)
    eventually(lambda: len(set(values(durable_broker, topic))) == 300, timeout=60)
    eventually(lambda: publisher.ready()["ready"], timeout=20)
    named = f"outbox row {large} for topic {topic!r} is refused"
    (aside,) = [line for line in publisher.lines if line["event"] == "set aside"]
    assert named in aside["reason"]
    assert len([line for line in publisher.lines if line["event"] == "waiting"]) <= 3
    assert len(values(durable_broker, topic)) <= 300 + 3


def test_a_topic_that_is_deleted_and_created_again_under_way_gets_what_was_not_acknowledged(
    publisher: Publisher, migrated_database_url: str, durable_broker: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic()
    write(migrated_database_url, b"a", topic=topic)
    eventually(lambda: publisher.acknowledged == 1, timeout=20)
    durable_broker.delete_topic(topic)
    write(migrated_database_url, b"b", topic=topic)
    eventually(lambda: topic in str(publisher.ready()["set_aside"]), timeout=30)
    durable_broker.create_topic(topic)
    eventually(lambda: not publisher.ready()["set_aside"], timeout=60)
    write(migrated_database_url, b"c", topic=topic)
    eventually(lambda: values(durable_broker, topic) == [b"b", b"c"], timeout=30)


def test_a_publisher_whose_position_was_moved_by_hand_ends(
    publisher: Publisher, migrated_database_url: str, make_topic: MakeTopic
) -> None:
    eventually(lambda: publisher.ready()["ready"], timeout=20)
    with psycopg.connect(migrated_database_url) as connection:
        connection.execute("UPDATE outbox_position SET epoch = epoch + 1")
    write(migrated_database_url, b"a", topic=make_topic())
    assert publisher.process.wait(20) == 1
    assert "Fenced" in publisher.process.tail()


def test_a_publisher_on_another_history_ends_where_it_shall_stop(
    migrated_database_url: str, kafka_broker: Broker, tmp_path: Path
) -> None:
    servers = kafka_broker.bootstrap_servers
    stop = {"PUBLISHER_ON_TIMELINE_CHANGE": "stop"}
    with Publisher(migrated_database_url, servers, tmp_path, **stop) as publisher:
        eventually(lambda: publisher.ready()["ready"], timeout=20)
        publisher.process.stop()
        with psycopg.connect(migrated_database_url) as connection:
            connection.execute("UPDATE outbox_position SET timeline = timeline + 1")
        publisher.process.start()
        assert publisher.process.wait(20) == 1
        assert "TimelineChanged" in publisher.process.tail()
        assert "position rebase --since" in publisher.process.tail()


def test_a_publisher_on_another_history_publishes_a_margin_again_by_itself(
    private_postgres: Postgres, kafka_broker: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    topic = make_topic()
    url = private_postgres.create_database("shop")
    migrate(url)
    write(url, b"old", topic=topic)
    execute(url, "UPDATE outbox_event SET created_at = created_at - interval '2 h'")
    write(url, b"a", b"b", topic=topic)
    with Publisher(url, kafka_broker.bootstrap_servers, tmp_path) as publisher:
        eventually(lambda: len(values(kafka_broker, topic)) == 3, timeout=20)
        eventually(lambda: "no row waits" in publisher.command("position", "show").stdout)
        private_postgres.become_standby()
        eventually(lambda: "standby" in str(publisher.ready()["waits_for"]), timeout=30)
        execute(url, "SELECT pg_promote()")
        write(url, b"c", topic=topic)
        eventually(lambda: len(values(kafka_broker, topic)) == 6, timeout=30)
        assert values(kafka_broker, topic) == [b"old", b"a", b"b", b"a", b"b", b"c"]
        eventually(lambda: publisher.ready()["ready"], timeout=20)
        (line,) = (line for line in publisher.lines if line["event"] == "publishing again")
        assert line["level"] == "warning"
        assert line["rows"] in {2, 3}
        assert "timeline 1" in line["reason"]
        assert "timeline 2" in line["reason"]


def test_a_second_publisher_stands_by_and_takes_over(
    publisher: Publisher,
    migrated_database_url: str,
    kafka_broker: Broker,
    make_topic: MakeTopic,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    topic = make_topic()
    eventually(lambda: publisher.ready()["ready"], timeout=20)
    folder = tmp_path_factory.mktemp("second")
    with Publisher(migrated_database_url, kafka_broker.bootstrap_servers, folder) as second:
        eventually(lambda: "stands by" in str(second.ready()["waits_for"]), timeout=20)
        publisher.process.kill()
        write(migrated_database_url, b"a", topic=topic)
        eventually(lambda: values(kafka_broker, topic) == [b"a"], timeout=20)


def test_commands_tell_the_state_and_their_exit_codes(
    migrated_database_url: str, kafka_broker: Broker, tmp_path: Path
) -> None:
    publisher = Publisher(migrated_database_url, kafka_broker.bootstrap_servers, tmp_path)
    state, events = f"state.{os.getpid()}", f"events.{os.getpid()}"
    with psycopg.connect(migrated_database_url) as connection:
        connection.execute("TRUNCATE outbox_topic")
        connection.execute(
            "INSERT INTO outbox_topic VALUES (%s, 'state', 3), (%s, 'events', 2)", [state, events]
        )
    missing = publisher.command("check")
    assert missing.returncode == 1
    assert f"topic '{state}' does not exist" in missing.stdout
    created = publisher.command("topics", "create")
    assert (created.returncode, created.stdout.count(": created")) == (0, 2)
    assert publisher.command("topics", "create").stdout.count(": exists") == 2
    assert publisher.command("check").stdout.endswith("\nok\n")
    with psycopg.connect(migrated_database_url) as connection:
        connection.execute("UPDATE outbox_topic SET partitions = 12 WHERE kind = 'events'")
    assert publisher.command("check").returncode == 3
    assert "no publisher has run" in publisher.command("position", "show").stdout
    assert publisher.command("position", "rebase", "--since", "1h").returncode == 0
    assert "default: after" in publisher.command("position", "show").stdout
    wrong = publisher.command("position", "show", "--database-url", migrated_database_url + "x")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("CredentialsRejected: ")


def test_a_running_publisher_keeps_its_position(publisher: Publisher) -> None:
    eventually(lambda: publisher.ready()["ready"], timeout=20)
    refused = publisher.command("position", "rebase", "--since", "now")
    assert refused.returncode == 1
    assert "is running: stop it" in refused.stderr
