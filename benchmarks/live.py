"""Events at a steady pace: when each was committed, and when a consumer had it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from typing import NamedTuple

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition

from benchmarks.database import KEYS, VALUE_BYTES
from benchmarks.log import SECONDS, Arrivals, Entry, Log, NotMeasured

PER_WRITER = 125
"""What one connection commits in a second, with room to spare."""
LOOK_SECONDS = 1.0

Times = Mapping[int, float]

# It runs in the database, so that writing takes as little as possible of the machine.
_PROCEDURE = f"""
CREATE OR REPLACE PROCEDURE benchmark_write(
    topic text, per_second float8, events integer, INOUT ids bigint[], INOUT at float8[]
) LANGUAGE plpgsql AS $$
DECLARE
    due timestamptz := clock_timestamp();
    written bigint;
BEGIN
    FOR n IN 1..events LOOP
        PERFORM pg_sleep(greatest(0, extract(epoch FROM due - clock_timestamp())));
        due := due + make_interval(secs => 1 / per_second);
        INSERT INTO outbox_event (event_id, topic, key, type, version, subject, value)
        SELECT
            -- A key has one writer: without the lock of a row, two would commit in any order.
            gen_random_uuid(), topic,
            convert_to('customer-' || pg_backend_pid() || '-' || n % {KEYS}, 'UTF8'),
            'shop.order.placed', 1, 'order/' || n,
            convert_to('{{"note":"' || repeat('x', {VALUE_BYTES} - 11) || '"}}', 'UTF8')
        RETURNING id INTO written;
        COMMIT;
        at := at || extract(epoch FROM clock_timestamp())::float8;
        ids := ids || written;
    END LOOP;
END
$$
"""


def prepare(url: str) -> None:
    """Teach a database to write."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_PROCEDURE.encode())


def write(url: str, topic: str, rate: int, events: int) -> Times:
    """Commit so many events a second, each alone, and tell when each commit was done, by id.

    Raises `NotMeasured` where the database does not keep the pace.
    """
    writers = max(1, rate // PER_WRITER)
    one = partial(_write, url, topic, rate / writers)
    with ThreadPoolExecutor(writers) as together:
        times = dict(chain.from_iterable(together.map(one, [events // writers] * writers)))
    require_pace(times.values(), rate)
    return times


def require_pace(times: Collection[float], rate: float) -> None:
    """Raise `NotMeasured` where events came more slowly than they should have."""
    reached = (len(times) - 1) / (max(times) - min(times))
    if reached < 0.95 * rate:
        raise NotMeasured(f"{rate:,.0f}/s were to be written, and only {reached:,.0f}/s were")


def _write(url: str, topic: str, per_second: float, events: int) -> Iterator[tuple[int, float]]:
    call = "CALL benchmark_write(%s, %s, %s, '{}', '{}')"
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(call, [topic, per_second, events]).fetchone()
    assert row is not None  # the two arrays
    return zip(*row, strict=True)


class Heard(NamedTuple):
    """When a consumer had a record, in seconds, and when it was appended, in milliseconds."""

    at: float
    appended: int


class Ear:
    """A consumer that takes one record after the other, each as soon as it is there."""

    def __init__(self, consumer: Consumer, log: Log, *, strict: bool) -> None:
        self._consumer, self._log, self._strict = consumer, log, strict

    @classmethod
    @contextmanager
    def on(cls, log: Log, *, strict: bool = True) -> Iterator[Ear]:
        """An ear for what is appended to a log from now on; a `strict` one judges it too."""
        settings = {
            "bootstrap.servers": log.servers,
            "group.id": "benchmark",  # wanted by the client, and never used
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
        with log.reading() as reading, closing(Consumer(settings)) as consumer:
            consumer.assign([TopicPartition(log.topic, *place) for place in reading.start.items()])
            yield cls(consumer, log, strict=strict)

    def during(
        self, events: int, check: Callable[[], None], send: Callable[[], Times]
    ) -> tuple[Times, Mapping[int, Heard]]:
        """What `send` tells, which runs aside, and what was heard of it meanwhile."""
        with ThreadPoolExecutor(1) as aside:
            sending = aside.submit(send)
            heard = self.take(events, partial(_both, check, sending))
            return sending.result(), heard

    def take(self, events: int, check: Callable[[], None]) -> Mapping[int, Heard]:
        """The next records by their number; `check` is called about once a second.

        A strict one raises `DeliveryWrong` unless all came once, and in order within their keys.
        """
        found, entries = dict[int, Heard](), list[Entry]()
        counted: Sized = entries if self._strict else found
        last = looked = time.monotonic()
        while len(counted) < events:
            message = self._consumer.poll(0.2)
            now, clock = time.time(), time.monotonic()
            if message is not None:
                if error := message.error():
                    raise KafkaException(error)
                entry = self._log.entry(message)
                found.setdefault(entry.sequence, Heard(now, entry.appended))
                entries.append(entry)
                last = clock
            elif clock - last > SECONDS:
                raise NotMeasured(f"after {len(found)} of {events} events no more arrived")
            if clock - looked > LOOK_SECONDS:
                check()
                looked = clock
        if self._strict:
            Arrivals.of(entries).require(events)
        return found


def milliseconds(
    ear: Ear, events: int, check: Callable[[], None], send: Callable[[], Times]
) -> list[float]:
    """How long each event took from what `send` tells until it was heard."""
    sent, heard = ear.during(events, check, send)
    return [(heard[sequence].at - at) * 1_000 for sequence, at in sent.items()]


def _both(check: Callable[[], None], sending: Future[Times]) -> None:
    check()
    if sending.done():
        sending.result()
