"""The broker through kafka-python: an idempotent producer that never gives up by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka

from publisher.adapters import reasons
from publisher.adapters.clients import Topics
from publisher.adapters.kafka_config import DEFAULTS, Config, converted
from publisher.adapters.kafka_errors import Aborted, constructing, failure, reaching, reason
from publisher.adapters.kafka_partitioner import KeyPartitioner
from publisher.adapters.kafka_topics import KafkaTopics
from publisher.adapters.known_topics import KnownTopics
from publisher.errors import BrokerUnavailable, RecordRejected, Unavailable
from publisher.ports import Confirm, Delivery, Record, Tenure
from publisher.position import Checkpoint

PATIENCE_MS = 2_000
"""For a question about topics in the middle of the loop: a stop waits behind it."""

_FAREWELL = 0.5
"""Seconds for a discarded producer to end its thread; milliseconds, unless the machine hangs."""


class KafkaPythonDelivery:
    """A page in the producer's hands."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.futures: list[Any] = []
        self.error: Unavailable | None = None
        self._behind: Unavailable | None = None
        self._acknowledged = 0
        self.lone = False

    def stop_at(self, error: Unavailable) -> None:
        """Nothing more of this page is sent; the error counts once the rest is acknowledged."""
        self._behind = error

    @property
    def stopped(self) -> bool:
        return self._behind is not None or (self.lone and not self.arrived)

    @property
    def arrived(self) -> bool:
        return self._acknowledged == len(self.records)

    def settle(self, timeout: float) -> int:
        self._count()
        if self.error is None and self._acknowledged < len(self.futures):
            with suppress(kafka.KafkaError):
                self.futures[self._acknowledged].get(timeout)
            self._count()
        return self._acknowledged

    def _count(self) -> None:
        at, futures = self._acknowledged, self.futures
        while at < len(futures) and futures[at].is_done and futures[at].exception is None:
            at += 1
        self._acknowledged = at
        if at == len(futures):
            self.error = self._behind
        elif futures[at].is_done:
            at = next((n for n in range(at, len(futures)) if _failed_itself(futures[n])), at)
            self.error = failure(self.records[at : len(futures)], futures[at].exception)


def _failed_itself(future: Any) -> bool:
    return future.is_done and not isinstance(future.exception, (Aborted, type(None)))


class KafkaPythonBroker:
    """A `Broker` on one idempotent producer.

    A producer whose record failed is discarded: a new one starts from the position. What the old
    one had on the wire may arrive again, never in another order.
    """

    atomic = False

    def __init__(self, bootstrap_servers: str, config: Config | None = None) -> None:
        self._servers = bootstrap_servers
        self._config = config or {}
        self._ours: Config = DEFAULTS
        self._producer: Any = None
        self._topics: Topics | None = None
        self._known = KnownTopics(self._describe, self._limits)

    @property
    def is_open(self) -> bool:
        return self._producer is not None

    def open(self) -> None:
        self.close()
        producer = _producer(self._servers, self._ours, self._config)
        try:
            topics = KafkaTopics(self._servers, self._config, patience_ms=PATIENCE_MS)
        except BaseException:
            _discard(producer)
            raise
        self._producer, self._topics = producer, topics

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
        delivery = KafkaPythonDelivery(records)
        send, futures = self._live.send, delivery.futures
        harmless = self._known.harmless
        try:
            for record in records:
                _, topic, key, value, headers = record
                if value is not None and len(value) > harmless:
                    delivery.lone = self._known.goes_alone(record, of=len(records))
                futures.append(send(topic, value, key, headers))
        except RecordRejected as exc:
            delivery.stop_at(exc)
        except (kafka.KafkaError, ValueError, TypeError, AssertionError) as exc:
            at = len(futures)
            delivery.stop_at(failure(records[at : at + 1], exc))
        return delivery

    @property
    def _live(self) -> Any:
        if self._producer is None:
            raise BrokerUnavailable(reasons.CLOSED)
        return self._producer

    def close(self) -> None:
        producer, self._producer = self._producer, None
        topics, self._topics = self._topics, None
        self._known.forget()
        if producer is not None:
            _discard(producer)
        if topics is not None:
            topics.close()


def _producer(servers: str, ours: Config, config: Config) -> Any:
    with reaching(servers), constructing(config) as make:
        producer = KafkaProducer(
            **{
                **ours,
                **converted(config),
                "bootstrap_servers": servers.split(","),
                "partitioner": KeyPartitioner(),
                "kafka_client": make,
            }
        )
    _end_at_lost_sequence(producer)
    if not producer._transaction_manager.is_transactional():
        _tell_aborted_apart(producer)
    return producer


def _end_at_lost_sequence(producer: Any) -> None:
    """Send nothing more where Kafka and the producer do not agree on what was sent.

    The client would fail one batch, number anew from zero, and send what is behind it; one that is
    fenced would ask older brokers for an identity that fences its successor.
    """
    manager = producer._transaction_manager
    manager._FATAL_ERRORS |= manager._NEEDS_EPOCH_BUMP_ERRORS


def _tell_aborted_apart(producer: Any) -> None:
    """The client gives the error of one batch to all that it has: another key would be parked."""
    abort = producer._accumulator.abort_batches
    producer._accumulator.abort_batches = lambda error: abort(Aborted(reason(error)))


def _discard(producer: Any) -> None:
    """Drop what is not acknowledged; nothing more of it is sent once this returns.

    `close` would first flush, and raise before it ends the thread that sends.
    """
    producer.flush = lambda timeout=None: None
    with suppress(kafka.KafkaError):
        producer.close(0.0)
    producer._sender.join(_FAREWELL)
