"""The broker through kafka-python, exactly once: a page and its end in one Kafka transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka

from publisher.adapters import reasons
from publisher.adapters.journal import KEY, PARTITION, PATIENCE, Journal, newest
from publisher.adapters.journaled import Journaled
from publisher.adapters.kafka_config import DEFAULTS, TRANSACTIONS, Config, for_consumer
from publisher.adapters.kafka_errors import (
    TOO_LARGE,
    UNSENDABLE,
    constructing,
    failure,
    permitted,
    reaching,
    reason,
)
from publisher.adapters.kafka_python import PATIENCE_MS, KafkaPythonBroker
from publisher.errors import BrokerFenced, BrokerUnavailable, RecordRejected, Unavailable
from publisher.ports import Record
from publisher.position import Checkpoint

_FENCED = (kafka.ProducerFencedError, kafka.InvalidProducerEpochError)


class KafkaPythonTransaction:
    """A page and its end on their way; after `seconds`, Kafka has aborted it."""

    def __init__(self, records: Sequence[Record], seconds: float) -> None:
        self._records, self._seconds = records, seconds
        self._deadline = time.monotonic() + seconds
        self.futures: list[Any] = []
        self.commit: Any = None
        self.error: Unavailable | None = None
        self.committed = False

    @property
    def stopped(self) -> bool:
        return self.commit is None

    @property
    def arrived(self) -> bool:
        return self.committed

    def settle(self, timeout: float) -> int:
        if self.error is None and not self.committed and self.commit is not None:
            ended = False
            try:
                ended = self.commit.wait(timeout * 1000)
                self.committed = ended and all(map(_arrived, self.futures))
            except Exception as exc:  # whatever the client's thread met
                self.error = self._failure(exc)
            if not self.committed and self.error is None:
                self._look(ended)
        return len(self._records) if self.committed else 0

    def _look(self, ended: bool) -> None:
        """A record that failed: the client does not end the commit that waits for it, or ends one
        that was thrown away as if all were well."""
        failed = (f.exception for f in self.futures if f.is_done and f.exception is not None)
        exc = next(failed, None)
        if exc is not None:
            self.error = self._failure(exc)
        elif ended:
            self.error = BrokerUnavailable(reasons.transaction_failed("not all of it arrived"))
        elif time.monotonic() > self._deadline:
            # The client may wait for ever where brokers left and came back.
            why = f"no answer within its time-out, {self._seconds:g} s"
            self.error = BrokerUnavailable(reasons.transaction_failed(why))

    def fail(self, exc: Exception) -> None:
        """It cannot be sent whole, so nothing of it is."""
        unsent = self._records[len(self.futures) :]
        if isinstance(exc, RecordRejected):
            self.error = exc
        elif unsent and isinstance(exc, (*TOO_LARGE, *UNSENDABLE)):
            self.error = failure(unsent[:1], exc)
        else:
            self.error = self._failure(exc)

    def _failure(self, exc: Exception) -> Unavailable:
        if isinstance(exc, _FENCED):
            return BrokerFenced(reasons.fenced(reason(exc)))
        for met in (exc, *(future.exception for future in self.futures if future.is_done)):
            if isinstance(met, kafka.TopicAuthorizationFailedError) and self._records:
                return failure(self._records[: len(self.futures)], met)
        for at, future in enumerate(self.futures[: len(self._records)]):
            if future.is_done and isinstance(future.exception, _FENCED):
                return BrokerFenced(reasons.fenced(reason(future.exception)))
            if future.is_done and future.exception is not None:
                return failure(self._records[at : len(self.futures)], future.exception)
        return BrokerUnavailable(reasons.transaction_failed(reason(exc)))


class KafkaPythonTransactions(KafkaPythonBroker, Journaled):
    """A `Broker` whose pages are atomic."""

    atomic = True

    def __init__(self, bootstrap_servers: str, config: Config, journal: Journal) -> None:
        super().__init__(bootstrap_servers, config)
        self._journal = journal
        self._ours = {**DEFAULTS, **TRANSACTIONS, "transactional_id": journal.topic}

    # The other base has a broker's own, which keeps no position.
    recover = Journaled.recover

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        with reaching(self._servers), permitted(self._journal.topic):
            yield

    def _fence(self) -> None:
        self._live.init_transactions()

    def send(self, records: Sequence[Record], end: Checkpoint) -> KafkaPythonTransaction:
        self._make_certain(end)
        producer = self._live
        page = KafkaPythonTransaction(records, producer.config["transaction_timeout_ms"] / 1000)
        send, futures = producer.send, page.futures
        try:
            producer.begin_transaction()
            for _, topic, key, value, headers in records:
                futures.append(send(topic, value, key, headers))
            at = self._journal.encode(self._tenure, end)
            futures.append(send(self._journal.topic, at, KEY, partition=PARTITION))
            page.commit = _commit(producer)
        except (RecordRejected, kafka.KafkaError, *UNSENDABLE) as exc:
            page.fail(exc)
        return page

    def _last_record(self) -> bytes | None:
        with constructing(self._config) as make:
            consumer = KafkaConsumer(
                **{
                    "bootstrap_timeout_ms": 3_000,
                    **for_consumer(self._config),
                    "bootstrap_servers": self._servers.split(","),
                    "isolation_level": "read_committed",
                    "enable_auto_commit": False,
                    "group_id": None,
                    "kafka_client": make,
                }
            )
        try:
            return _newest(consumer, TopicPartition(self._journal.topic, PARTITION))
        finally:
            consumer.close()


def _arrived(future: Any) -> bool:
    return future.is_done and future.exception is None


def _commit(producer: Any) -> Any:
    """What `commit_transaction` waits for: the next page is read meanwhile."""
    result = producer._transaction_manager.begin_commit()
    producer._sender.wakeup()
    return result


def _newest(consumer: Any, journal: TopicPartition) -> bytes | None:
    consumer.assign([journal])
    low, high = (
        offsets[journal]
        for offsets in (
            consumer.beginning_offsets([journal], timeout_ms=PATIENCE_MS),
            consumer.end_offsets([journal], timeout_ms=PATIENCE_MS),
        )
    )

    def read_from(start: int) -> bytes | None:
        value: bytes | None = None
        consumer.seek(journal, start)
        deadline = time.monotonic() + PATIENCE
        while consumer.position(journal) < high:
            if time.monotonic() > deadline:
                raise kafka.KafkaTimeoutError(f"{journal.topic} cannot be read to its end")
            for record in consumer.poll(timeout_ms=500).get(journal, ()):
                value = record.value
        return value

    return newest(low, high, read_from)
