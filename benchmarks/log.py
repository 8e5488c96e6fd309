"""A topic's log, as the truth of what arrived and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Self
from uuid import uuid4

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from local.kafka import Broker

PARTITIONS = 12
POLL_SECONDS = 0.25
SECONDS = 30

Ends = Mapping[int, int]


class NotMeasured(Exception):
    """There is no figure, and the message says why."""


class DeliveryWrong(NotMeasured):
    """A run that lost, repeated or inverted events has no speed."""


class Entry(NamedTuple):
    """A record in the log; `appended` is the broker's own time, in milliseconds."""

    appended: int
    key: bytes
    sequence: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What a run left in the log; `began` is when the first of it was appended, in milliseconds."""

    events: int
    repeats: int
    inversions: int
    seconds: float
    began: int

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Arrivals:
        """Judge entries that are in order within each key."""
        seen, count, inversions = set[int](), 0, 0
        newest: dict[bytes, int] = {}
        began, ended = 1 << 62, 0
        for count, (appended, key, sequence) in enumerate(entries, 1):  # noqa: B007
            inversions += sequence not in seen and sequence < newest.get(key, 0)
            seen.add(sequence)
            newest[key] = max(sequence, newest.get(key, 0))
            began, ended = min(began, appended), max(ended, appended)
        seconds = max(0, ended - began) / 1_000
        return cls(len(seen), count - len(seen), inversions, seconds, began)

    @property
    def rate(self) -> float:
        """Events per second, from the first append to the last."""
        if self.seconds <= 0:
            raise NotMeasured(f"too short to be measured: {self}")
        return self.events / self.seconds

    def require(self, events: int) -> None:
        """Raise DeliveryWrong unless each of the events arrived once, in order within its key."""
        if (self.events, self.repeats, self.inversions) != (events, 0, 0):
            raise DeliveryWrong(f"{events} events were to arrive once and in order: {self}")


Sequence = Callable[[Message], int]


def ce_sequence(message: Message) -> int:
    """What numbers the events of a topic: the id of the outbox row."""
    return int(dict(message.headers() or ())["ce_sequence"] or b"")


class Log:
    """A topic whose records carry the time at which the broker appended them."""

    def __init__(self, servers: str, topic: str, sequence: Sequence = ce_sequence) -> None:
        self.servers = servers
        self.topic = topic
        self._sequence = sequence

    @classmethod
    @contextmanager
    def on(cls, broker: Broker, name: str, sequence: Sequence = ce_sequence) -> Iterator[Self]:
        """A new topic for as long as the block runs; NotMeasured where its times would be wrong."""
        if not broker.durable:
            raise NotMeasured(
                f"{broker!r} gives records the time of their producer: install Java 17 and Maven, "
                "or name a Kafka in KAFKA_BOOTSTRAP_SERVERS"
            )
        topic = f"{name}.{uuid4().hex[:8]}"
        broker.create_topic(topic, PARTITIONS, {"message.timestamp.type": "LogAppendTime"})
        try:
            yield cls(broker.bootstrap_servers, topic, sequence)
        finally:
            broker.delete_topic(topic)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """What is appended from now on."""
        settings = {
            "bootstrap.servers": self.servers,
            "group.id": "benchmark",  # wanted by the client, and never used
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
        }
        with closing(Consumer(settings)) as consumer:
            yield Reading(consumer, self)

    def entry(self, message: Message) -> Entry:
        """What a record says; NotMeasured where its time is not the broker's."""
        kind, appended = message.timestamp()
        if kind != TIMESTAMP_LOG_APPEND_TIME:
            raise NotMeasured(f"topic {self.topic!r} has not the times at which records came in")
        key = message.key()
        return Entry(appended, key if isinstance(key, bytes) else b"", self._sequence(message))

    def arrivals(self, events: int, run: Callable[[Callable[[], bool]], None]) -> Arrivals:
        """What a run appends; the run gets a question to ask until all of it is there.

        Raises `DeliveryWrong` unless each of the events arrived once, in order within its key.
        """
        found = self.whatever_arrives(events, run)
        found.require(events)
        return found

    def whatever_arrives(self, events: int, run: Callable[[Callable[[], bool]], None]) -> Arrivals:
        """What a run appends, right or wrong."""
        with self.reading() as reading:
            run(lambda: reading.has(events))
            reading.go_on()
            return Arrivals.of(reading.entries)


class Reading:
    """The committed records of a topic from one moment on."""

    def __init__(self, consumer: Consumer, log: Log) -> None:
        self.entries: list[Entry] = []
        self._consumer = consumer
        self._log = log
        self.start = self._asked = self._ends()
        self._at = dict(self.start)
        consumer.assign([TopicPartition(log.topic, *place) for place in self._at.items()])

    def has(self, events: int) -> bool:
        """Whether so many events are there.

        Markers of transactions take offsets too, so records have to be counted. Reading them while
        others are written would slow that down: it begins when offsets stand still that could be
        enough.
        """
        asked, self._asked = self._asked, self._ends()
        offsets = sum(self._asked.values()) - sum(self.start.values())
        if offsets < events or asked != self._asked:
            return False
        self._read_up_to(self._asked)
        return len({entry.sequence for entry in self.entries}) >= events

    def go_on(self) -> None:
        """Read whatever has been committed by now."""
        self._read_up_to(self._ends())

    def _ends(self) -> dict[int, int]:
        return {number: self._end(number) for number in range(PARTITIONS)}

    def _end(self, number: int) -> int:
        """The end of what is committed, since the consumer reads nothing else."""
        place, deadline = TopicPartition(self._log.topic, number), time.monotonic() + SECONDS
        while True:
            try:
                if found := self._consumer.get_watermark_offsets(place, timeout=SECONDS):
                    return found[1]
            except KafkaException as exc:  # a new topic's leader is not known everywhere at once
                if time.monotonic() > deadline:
                    why = f"Kafka does not tell the end of {self._log.topic}-{number}: {exc}"
                    raise NotMeasured(why) from exc
            time.sleep(0.02)

    def _read_up_to(self, ends: Ends) -> None:
        deadline = time.monotonic() + SECONDS
        while any(self._at[number] < end for number, end in ends.items()):
            for message in self._consumer.consume(10_000, 0.1):
                self._take(message)
                deadline = time.monotonic() + SECONDS
            if time.monotonic() > deadline:
                raise NotMeasured(f"reading {self._log.topic} stands still at {self._at} of {ends}")

    def _take(self, message: Message) -> None:
        error, number, offset = message.error(), message.partition(), message.offset()
        assert number is not None  # it comes from the log
        assert offset is not None
        if error is None:
            self.entries.append(self._log.entry(message))
            self._at[number] = offset + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            self._at[number] = offset  # behind a marker, too
        else:
            raise KafkaException(error)


def wait_until(
    arrived: Callable[[], bool], check: Callable[[], None], seconds: float = 300
) -> None:
    """Ask until the answer is yes; `check` raises where waiting has become pointless."""
    deadline = time.monotonic() + seconds
    while not arrived():
        check()
        if time.monotonic() > deadline:
            raise NotMeasured(f"the events did not arrive within {seconds:g} s")
        time.sleep(POLL_SECONDS)
