"""A topic's log, as the truth of what arrived and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from uuid import uuid4

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from local.kafka import Broker

PARTITIONS = 12
POLL_SECONDS = 0.25
SECONDS = 30
BATCH = 200
"""Records that are taken at once: more of them would be out of the processor's cache."""

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
        judge = Judge()
        judge.take(entries)
        return judge.arrivals

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


class Judge:
    """Takes entries as they are read, in order within each key, and keeps what tells lost, repeated
    and inverted ones apart: objects for each record would cost more than reading it."""

    def __init__(self) -> None:
        self.seen = set[int]()
        self._newest: dict[bytes, int] = {}
        self._count = self._inversions = 0
        self._began, self._ended = 1 << 62, 0

    def take(self, entries: Iterable[Entry]) -> None:
        seen, newest = self.seen, self._newest
        for appended, key, sequence in entries:
            last = newest.get(key, 0)
            if sequence >= last:
                newest[key] = sequence
            elif sequence not in seen:
                self._inversions += 1
            seen.add(sequence)
            self._count += 1
            if appended < self._began:
                self._began = appended
            if appended > self._ended:
                self._ended = appended

    @property
    def arrivals(self) -> Arrivals:
        """What all of it comes to."""
        repeats, seconds = self._count - len(self.seen), max(0, self._ended - self._began) / 1_000
        return Arrivals(len(self.seen), repeats, self._inversions, seconds, self._began)


Sequence = Callable[[Message], int]


def ce_sequence(message: Message) -> int:
    """What numbers the events of a topic: the id of the outbox row."""
    headers: Any = message.headers() or ()
    for name, value in headers:
        if name == "ce_sequence":
            return int(value or b"")
    raise NotMeasured(f"a record of topic {message.topic()!r} has no header ce_sequence")


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
            yield Reading(consumer, AdminClient({"bootstrap.servers": self.servers}), self)

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
        with self.reading() as reading:
            run(lambda: reading.has(events))
            return reading.arrivals(events)

    def whatever_arrives(self, events: int, run: Callable[[Callable[[], bool]], None]) -> Arrivals:
        """What a run appends, right or wrong."""
        with self.reading() as reading:
            run(lambda: reading.has(events))
            return reading.whatever_arrived()


class Reading:
    """The committed records of a topic from one moment on."""

    def __init__(self, consumer: Consumer, admin: AdminClient, log: Log) -> None:
        self.judge = Judge()
        self._consumer, self._admin, self._log = consumer, admin, log
        self.start = self._asked = self._ends()
        self._at = dict(self.start)

    @property
    def assigned(self) -> list[int]:
        """The partitions that are read, which are none or all."""
        return [place.partition for place in self._consumer.assignment()]

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
        return len(self.judge.seen) >= events

    def wait_for(self, events: int, check: Callable[[], None], seconds: float) -> None:
        """Wait until so many events are there; `check` raises where that has become pointless."""
        try:
            wait_until(lambda: self.has(events), check, seconds)
        except NotMeasured as why:
            raise NotMeasured(
                f"{why}; read from {self.start} to {self._at}: {self.judge.arrivals}"
            ) from why

    def arrivals(self, events: int) -> Arrivals:
        """What has been committed by now.

        Raises `DeliveryWrong` unless each of the events arrived once, in order within its key.
        """
        found = self.whatever_arrived()
        found.require(events)
        return found

    def whatever_arrived(self) -> Arrivals:
        """What has been committed by now, right or wrong."""
        self._read_up_to(self._ends())
        return self.judge.arrivals

    def _ends(self) -> dict[int, int]:
        """The end of what is committed in each partition, in one question to each broker."""
        places = [TopicPartition(self._log.topic, number) for number in range(PARTITIONS)]
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return self._latest(places)
            except KafkaException as exc:  # a new topic's leader is not known everywhere at once
                if time.monotonic() > deadline:
                    why = f"Kafka does not tell the ends of {self._log.topic}: {exc}"
                    raise NotMeasured(why) from exc
            time.sleep(0.02)

    def _latest(self, places: list[TopicPartition]) -> dict[int, int]:
        spec: Any = OffsetSpec  # it has no types
        answers = self._admin.list_offsets(
            dict.fromkeys(places, spec.latest()),
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=SECONDS,
        )
        return {place.partition: answer.result().offset for place, answer in answers.items()}

    def _read_up_to(self, ends: Ends) -> None:
        self._begin()
        deadline = time.monotonic() + SECONDS
        while any(self._at[number] < end for number, end in ends.items()):
            if messages := self._consumer.consume(BATCH, 0.1):
                self.judge.take(self._entries(messages))
                deadline = time.monotonic() + SECONDS
            if time.monotonic() > deadline:
                raise NotMeasured(f"reading {self._log.topic} stands still at {self._at} of {ends}")

    def _begin(self) -> None:
        """Read from the start: from then on the client fetches all that there is, asked or not."""
        if not self.assigned:
            places = self.start.items()
            self._consumer.assign([TopicPartition(self._log.topic, *place) for place in places])

    def _entries(self, messages: list[Message]) -> Iterator[Entry]:
        """The records; between them stands where a partition was read to its end."""
        for message in messages:
            if (error := message.error()) is None:
                yield self._log.entry(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                number, offset = message.partition(), message.offset()
                assert number is not None  # it comes from the log
                assert offset is not None
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
