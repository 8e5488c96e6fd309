"""The broker through librdkafka: an idempotent producer that never gives up by itself."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from publisher.adapters import reasons
from publisher.adapters.clients import Topics
from publisher.adapters.known_topics import KnownTopics
from publisher.adapters.librdkafka_config import DEFAULTS, Config, dotted
from publisher.adapters.librdkafka_errors import (
    TOO_LARGE,
    LastWord,
    failure,
    reaching,
    reason,
    unsendable,
)
from publisher.adapters.librdkafka_logger import logger
from publisher.adapters.librdkafka_topics import LibrdkafkaTopics
from publisher.errors import BrokerUnavailable, RecordRejected, Unavailable
from publisher.ports import Confirm, Delivery, Record, Tenure
from publisher.position import Checkpoint

ANY, NOW = -1, 0
"""Any partition, which the client chooses by the key, and the time of sending."""

PATIENCE_MS = 2_000
"""For a question about topics in the middle of the loop: a stop waits behind it."""

_BOOTSTRAP = 3.0
"""Seconds for the first answer of a cluster."""

_FAREWELL = 1.0
"""Seconds for what is thrown away to be told, which frees it."""


@dataclass(slots=True)
class Hands:
    """A producer; once it is discarded, what it says of its pages means nothing.

    It sends records in batches until a topic finds one of these too large.
    """

    producer: Producer
    batches: bool
    are_open: bool = True

    def poll(self, timeout: float) -> None:
        """Let the reports of deliveries come in, which tell more than a fatal error does."""
        with suppress(KafkaException):
            self.producer.poll(timeout)

    def failure(self, records: Sequence[Record], error: KafkaError) -> Unavailable:
        """What is too large may be a batch of records that are not: the client divides none."""
        if error.code() in TOO_LARGE and self.batches:
            self.batches = False
            return BrokerUnavailable(
                reasons.batch_too_large(records[0].topic, "batch_size", reason(error))
            )
        return failure(records, error)

    def let_go(self) -> None:
        """Discard the producer. Its own `close` would wait until Kafka has aborted its transaction,
        however long that takes; the next producer ends it."""
        self.are_open = False
        with suppress(KafkaException):
            self.producer.purge()
        deadline = time.monotonic() + _FAREWELL
        while len(self.producer) and time.monotonic() < deadline:
            self.poll(0.05)  # A fatal error ends it early.
        del self.producer


class LibrdkafkaDelivery:
    """A page in the producer's hands."""

    def __init__(self, hands: Hands, records: Sequence[Record]) -> None:
        self._hands = hands
        self._records = records
        self._sent = len(records)
        self._arrived = bytearray(len(records))
        self._failed: dict[int, KafkaError] = {}
        self._acknowledged = 0
        self._behind: Unavailable | None = None
        self.lone = False
        self.error: Unavailable | None = None

    def report(self, at: int, error: KafkaError | None, message: object) -> None:
        """What became of the record at this place; called while the producer is polled."""
        if error is None:
            self._arrived[at] = 1
        else:
            self._failed[at] = error

    def stop_at(self, at: int, error: Unavailable) -> None:
        """Nothing more of this page is sent; the error counts once the rest is acknowledged."""
        self._sent, self._behind = at, error

    @property
    def stopped(self) -> bool:
        return self._behind is not None or (self.lone and not self.arrived)

    @property
    def arrived(self) -> bool:
        return self._acknowledged == len(self._records)

    def settle(self, timeout: float) -> int:
        before, deadline = self._acknowledged, time.monotonic() + timeout
        self._look(0)
        while self._acknowledged == before and self._waits:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._look(left)  # It returns at the first event, which may be of another page.
        return self._acknowledged

    @property
    def _waits(self) -> bool:
        return self._hands.are_open and self.error is None and self._acknowledged < self._sent

    def _look(self, timeout: float) -> None:
        if self._hands.are_open and self.error is None:
            self._hands.poll(timeout)
            self._count()

    def _count(self) -> None:
        gap = self._arrived.find(0, self._acknowledged)
        at = self._acknowledged = len(self._arrived) if gap < 0 else gap
        if at == self._sent:
            self.error = self._behind
        elif at in self._failed:
            self.error = self._hands.failure(self._records[at : self._sent], self._failed[at])


class LibrdkafkaBroker:
    """A `Broker` on one idempotent producer.

    A producer whose record failed is discarded: a new one starts from the position. What the old
    one had on the wire may arrive again, never in another order.
    """

    atomic = False

    def __init__(self, bootstrap_servers: str, config: Config | None = None) -> None:
        self._servers = bootstrap_servers
        self._config = config or {}
        self._last_word = LastWord()
        self._hands: Hands | None = None
        self._topics: Topics | None = None
        self._known = KnownTopics(self._describe, self._limits)
        self._batches = True
        self._ours: Config = DEFAULTS

    @property
    def is_open(self) -> bool:
        return self._hands is not None

    def open(self) -> None:
        self.close()
        with reaching(self._servers, self._last_word):
            producer = Producer(self._settings())
            try:
                producer.list_topics(timeout=_BOOTSTRAP)
            except KafkaException:
                producer.poll(0)  # what went wrong with the connection
                producer.close()
                raise
        self._topics = LibrdkafkaTopics(self._servers, self._config, patience_ms=PATIENCE_MS)
        self._hands = Hands(producer, self._batches)

    def _settings(self) -> dict[str, Any]:
        return {
            **{name: value for name, value in self._ours.items() if value is not None},
            **dotted(self._config),
            **({} if self._batches else {"batch.num.messages": 1}),
            "bootstrap.servers": self._servers,
            "error_cb": self._last_word,
            "logger": logger,
        }

    def recover(self, tenure: Tenure, confirm: Confirm) -> Checkpoint:
        return Checkpoint(tenure.position)

    def unavailable(self, topics: Collection[str]) -> Mapping[str, str]:
        return self._known.unavailable(topics)

    def leaderless(self, topics: Collection[str]) -> Mapping[str, str]:
        return self._known.leaderless(topics)

    def forget_topics(self) -> None:
        self._known.forget()

    def _describe(self, topics: Collection[str]) -> Mapping[str, int | str]:
        if self._topics is None:
            raise BrokerUnavailable(reasons.CLOSED)
        return self._topics.describe(topics)

    def _limits(self, topics: Collection[str]) -> Mapping[str, int]:
        return {} if self._topics is None or self.atomic else self._topics.limits(topics)

    def send(self, records: Sequence[Record], end: Checkpoint) -> Delivery:
        delivery = LibrdkafkaDelivery(self._live, records)
        produce: Any = self._live.producer.produce
        report, at = delivery.report, 0
        harmless = self._known.harmless
        try:
            for record in records:
                _, topic, key, value, headers = record
                if value is not None and len(value) > harmless:
                    delivery.lone = self._known.goes_alone(record, of=len(records))
                # By position: to look up names would take a good part of the call.
                produce(topic, value, key, ANY, partial(report, at), None, NOW, headers)
                at += 1
        except RecordRejected as exc:
            delivery.stop_at(at, exc)
        except KafkaException as exc:
            delivery.stop_at(at, failure(records[at : at + 1], exc.args[0]))
        except (TypeError, ValueError) as exc:
            delivery.stop_at(at, unsendable(records[at], exc))
        return delivery

    @property
    def _live(self) -> Hands:
        if self._hands is None:
            raise BrokerUnavailable(reasons.CLOSED)
        return self._hands

    def close(self) -> None:
        hands, self._hands = self._hands, None
        topics, self._topics = self._topics, None
        self._known.forget()
        if hands is not None:
            self._batches = hands.batches
            hands.let_go()
        if topics is not None:
            topics.close()
