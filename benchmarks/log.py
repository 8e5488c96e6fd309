"""A topic's log, as the truth of what arrived and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from uuid import uuid4

from kafka import KafkaConsumer, TopicPartition

from local.kafka import Broker

PARTITIONS = 12
POLL_SECONDS = 0.25
LOG_APPEND_TIME = 1


class Entry(NamedTuple):
    """A record in the log; `appended` is the broker's own time, in milliseconds."""

    appended: int
    key: bytes
    sequence: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What a run left in the log."""

    events: int
    repeats: int
    inversions: int
    seconds: float

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Arrivals:
        """Judge entries that are in order within each key."""
        seen, inversions = set[int](), 0
        newest: dict[bytes, int] = {}
        for _, key, sequence in entries:
            repeated = sequence in seen
            inversions += not repeated and sequence < newest.get(key, 0)
            seen.add(sequence)
            newest[key] = max(sequence, newest.get(key, 0))
        times = [entry.appended for entry in entries]
        seconds = (max(times) - min(times)) / 1_000
        return cls(len(seen), len(entries) - len(seen), inversions, seconds)

    @property
    def rate(self) -> float:
        """Events per second, from the first append to the last."""
        return self.events / self.seconds


class NotMeasured(Exception):
    """There is no figure, and the message says why."""


class DeliveryWrong(NotMeasured):
    """A run that lost, repeated or inverted events has no speed."""


class Log:
    """A topic whose records carry the time at which the broker appended them."""

    def __init__(self, servers: str, topic: str) -> None:
        self.topic = topic
        self._servers = servers
        self._partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]

    @classmethod
    @contextmanager
    def on(cls, broker: Broker, name: str) -> Iterator[Self]:
        """A new topic for as long as the block runs; NotMeasured where its times would be wrong."""
        if not broker.durable:
            raise NotMeasured(
                f"{broker!r} gives records the time of their producer: install Java 17 and Maven, "
                "or name a Kafka in KAFKA_BOOTSTRAP_SERVERS"
            )
        topic = f"{name}.{uuid4().hex[:8]}"
        broker.create_topic(topic, PARTITIONS, {"message.timestamp.type": "LogAppendTime"})
        try:
            yield cls(broker.bootstrap_servers, topic)
        finally:
            broker.delete_topic(topic)

    def arrivals(self, events: int, run: Callable[[Callable[[], bool]], None]) -> Arrivals:
        """What a run appends; the run gets a question to ask until all of it is there.

        Raises `DeliveryWrong` unless each of the events arrived once, in order within its key.
        """
        with closing(self._consumer()) as consumer:
            start = consumer.end_offsets(self._partitions)
            end = sum(start.values()) + events
            run(lambda: sum(consumer.end_offsets(self._partitions).values()) >= end)
            found = Arrivals.of(list(self._entries(consumer, start)))
        if (found.events, found.repeats, found.inversions) != (events, 0, 0):
            raise DeliveryWrong(f"{events} events were to arrive once and in order: {found}")
        return found

    def _consumer(self) -> Any:
        consumer = KafkaConsumer(
            bootstrap_servers=self._servers, group_id=None, enable_auto_commit=False
        )
        consumer.assign(self._partitions)
        return consumer

    def _entries(self, consumer: Any, start: dict[TopicPartition, int]) -> Iterator[Entry]:
        end = consumer.end_offsets(self._partitions)
        for partition, offset in start.items():
            consumer.seek(partition, offset)
        while any(consumer.position(partition) < end[partition] for partition in end):
            for records in consumer.poll(timeout_ms=200).values():
                yield from map(_entry, records)


def _entry(record: Any) -> Entry:
    if record.timestamp_type != LOG_APPEND_TIME:
        raise NotMeasured(f"topic {record.topic!r} has not the times at which records came in")
    return Entry(record.timestamp, record.key, int(dict(record.headers)["ce_sequence"]))


def wait_until(
    arrived: Callable[[], bool], check: Callable[[], None], seconds: float = 300
) -> None:
    """Ask until the answer is yes; `check` raises where waiting has become pointless."""
    deadline = time.monotonic() + seconds
    while not arrived():
        check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"the events did not arrive within {seconds:g} s")
        time.sleep(POLL_SECONDS)
