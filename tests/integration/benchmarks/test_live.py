"""Events at a steady pace, and the ear that hears each."""

import time

import psycopg
import pytest
from confluent_kafka import Producer

from benchmarks.live import Ear, Times, milliseconds, prepare, write
from benchmarks.log import DeliveryWrong, Log, NotMeasured
from local.kafka import Broker
from local.process import DiedEarly


def send(log: Log, sequences: list[int]) -> Times:
    producer = Producer({"bootstrap.servers": log.servers})
    times = {}
    for number in sequences:
        times[number] = time.time()
        producer.produce(log.topic, b"{}", b"k", headers={"ce_sequence": b"%d" % number})
        producer.flush(30)
    return times


def test_each_event_has_a_commit_of_its_own_whose_time_is_told(migrated_database_url: str) -> None:
    prepare(migrated_database_url)
    before = time.time()
    times = write(migrated_database_url, "topic", rate=250, events=50)
    after = time.time()
    assert all(before <= at <= after for at in times.values())
    with psycopg.connect(migrated_database_url) as connection:
        stored = connection.execute(
            "SELECT array_agg(id), count(DISTINCT xid), bool_and(created_at <= to_timestamp(%s)) "
            "FROM outbox_event",
            [after],
        ).fetchone()
    assert stored is not None
    assert (sorted(stored[0]), *stored[1:]) == (sorted(times), 50, True)


def test_a_delay_is_from_what_is_told_to_what_is_heard(durable_broker: Broker) -> None:
    with Log.on(durable_broker, "benchmark") as log, Ear.on(log) as ear:
        delays = milliseconds(ear, 20, lambda: None, lambda: send(log, list(range(20))))
    assert len(delays) == 20
    assert all(0 < delay < 20_000 for delay in delays)


@pytest.mark.parametrize("sequences", [[1, 2, 2], [2, 1, 3]], ids=["repeated", "inverted"])
def test_events_that_arrive_wrongly_have_no_delays(
    sequences: list[int], durable_broker: Broker
) -> None:
    with (
        Log.on(durable_broker, "benchmark") as log,
        Ear.on(log) as ear,
        pytest.raises(DeliveryWrong),
    ):
        milliseconds(ear, 3, lambda: None, lambda: send(log, sequences))


def test_a_writer_that_fails_ends_the_listening(durable_broker: Broker) -> None:
    def fail() -> Times:
        raise NotMeasured("a reason")

    with (
        Log.on(durable_broker, "benchmark") as log,
        Ear.on(log) as ear,
        pytest.raises(NotMeasured, match="a reason"),
    ):
        milliseconds(ear, 3, lambda: None, fail)


def test_a_relay_that_dies_ends_the_listening(durable_broker: Broker) -> None:
    class Dead(DiedEarly):
        def __init__(self) -> None:
            Exception.__init__(self, "its log")

    def die() -> None:
        raise Dead

    with (
        Log.on(durable_broker, "benchmark") as log,
        Ear.on(log) as ear,
        pytest.raises(DiedEarly, match="its log"),
    ):
        milliseconds(ear, 3, die, lambda: send(log, [1, 2]))
