"""A downstream service: keeps its own tables from the topics of the shop.

Plain Python with psycopg, kafka-python and `schemas`. REPLICA_DATABASE_URL and
KAFKA_BOOTSTRAP_SERVERS say where; run it with `python -m examples.shop.replica`.

Its tables are written before its offsets, so a crash makes records come again and loses none, and
the sequence of each key keeps a record that comes again from undoing a later one. Whatever it
cannot cope with ends it: a supervisor starts it again.
"""

import os
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from kafka import KafkaConsumer
from kafka.errors import CommitFailedError
from psycopg.types.json import Jsonb

from schemas import Envelope

STATES = (
    *("shop.users", "shop.customers", "shop.orders", "shop.labels"),
    *("shop.countries", "shop.subdivisions", "shop.languages", "shop.currencies"),
)
EVENTS = (
    *("shop.order-events", "shop.order-label-links"),
    *("shop.customer-events", "shop.auth-events"),
)
GROUP = "shop-replica"

TABLES = """
    CREATE TABLE IF NOT EXISTS replica (
        topic text, key text, sequence bigint NOT NULL,
        state jsonb,  -- NULL: deleted; what is older must not bring the row back
        PRIMARY KEY (topic, key)
    );
    CREATE TABLE IF NOT EXISTS delivered (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id uuid NOT NULL, topic text NOT NULL, key text NOT NULL, sequence bigint NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
"""
JOURNAL = "INSERT INTO delivered (event_id, topic, key, sequence) VALUES (%s, %s, %s, %s)"
UPSERT = """
    INSERT INTO replica (topic, key, sequence, state) VALUES (%s, %s, %s, %s)
    ON CONFLICT (topic, key) DO UPDATE SET sequence = excluded.sequence, state = excluded.state
    WHERE replica.sequence < excluded.sequence
"""

Connection = psycopg.Connection[tuple[Any, ...]]
Delivery = tuple[str, Envelope]


def connect(url: str) -> Connection:
    """The database of the replica, with its tables."""
    connection: Connection = psycopg.connect(url)
    with connection.transaction():
        connection.execute(TABLES)
    return connection


def apply(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """Write deliveries, in their order, in one transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(JOURNAL, [_entry(*delivery) for delivery in deliveries])
        states = [delivery for delivery in deliveries if delivery[0] in STATES]
        cursor.executemany(UPSERT, [_row(*delivery) for delivery in states])


def follow(consumer: Any, connection: Connection, stop: threading.Event) -> None:
    """Apply what arrives until `stop` is set."""
    while not stop.is_set():
        if deliveries := _deliveries(consumer.poll(timeout_ms=200, max_records=1_000)):
            apply(connection, deliveries)
            _commit(consumer)


def main() -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    consumer = KafkaConsumer(
        *STATES,
        *EVENTS,
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"].split(","),
        group_id=GROUP,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        # A broker may hold a new group back for half of this before the first record.
        session_timeout_ms=6_000,
        heartbeat_interval_ms=2_000,
    )
    try:
        with connect(os.environ["REPLICA_DATABASE_URL"]) as connection:
            follow(consumer, connection, stop)
    finally:
        consumer.close()


def _deliveries(batches: Mapping[Any, Iterable[Any]]) -> list[Delivery]:
    return [
        (record.topic, Envelope.from_kafka(record.headers, record.key, record.value))
        for records in batches.values()
        for record in records
    ]


def _entry(topic: str, envelope: Envelope) -> tuple[str, str, str, int | None]:
    return envelope.id, topic, _key(envelope), envelope.sequence


def _row(topic: str, envelope: Envelope) -> tuple[str, str, int | None, Jsonb | None]:
    change: Any = {"after": None} if envelope.is_tombstone else envelope.json()
    state = change["after"]
    return topic, _key(envelope), envelope.sequence, None if state is None else Jsonb(state)


def _key(envelope: Envelope) -> str:
    return (envelope.key or b"").decode()


def _commit(consumer: Any) -> None:
    try:
        consumer.commit()
    except CommitFailedError:
        return  # the partitions went to another member, which reads these records again


if __name__ == "__main__":
    main()
