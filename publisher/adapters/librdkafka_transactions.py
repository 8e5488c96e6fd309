"""The broker through librdkafka, exactly once: a page and its end in one Kafka transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from publisher.adapters import reasons
from publisher.adapters.journal import KEY, PARTITION, PATIENCE, Journal, newest
from publisher.adapters.journaled import Journaled
from publisher.adapters.librdkafka import ANY, NOW, PATIENCE_MS, Hands, LibrdkafkaBroker
from publisher.adapters.librdkafka_config import DEFAULTS, TRANSACTIONS, Config, for_consumer
from publisher.adapters.librdkafka_errors import failure, permitted, reaching, reason, unsendable
from publisher.adapters.librdkafka_logger import logger
from publisher.errors import BrokerFenced, BrokerUnavailable, RecordRejected, Unavailable
from publisher.ports import Record
from publisher.position import Checkpoint

_FENCED = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
)
_NOT_YET_KNOWN = frozenset(
    {
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
)
_THROWN_AWAY = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
"""What records say whose transaction failed for another reason."""

_SLICE = 0.2
"""Seconds after which a commit looks whether its producer was discarded meanwhile."""


class LibrdkafkaTransaction:
    """A page and its end on their way.

    `permitted` raises where this user may not write the end: the client does not tell which topic
    is forbidden.
    """

    def __init__(
        self, hands: Hands, records: Sequence[Record], *, permitted: Callable[[], None]
    ) -> None:
        self._hands, self._records, self._permitted = hands, records, permitted
        self._failed: dict[int, KafkaError] = {}
        self.sent = 0
        self.commit: Future[bool] | None = None
        self.error: Unavailable | None = None
        self.committed = False

    def report(self, at: int, error: KafkaError, message: object) -> None:
        """What became of the record at this place; called for failures alone."""
        self._failed[at] = error

    @property
    def stopped(self) -> bool:
        return self.commit is None

    @property
    def arrived(self) -> bool:
        return self.committed

    def settle(self, timeout: float) -> int:
        if self.error is None and not self.committed and self.commit is not None:
            try:
                self.committed = self.commit.result(timeout)
            except NotYet:
                pass
            except KafkaException as exc:
                self.fail(exc)
        return len(self._records) if self.committed else 0

    def fail(self, exc: Exception) -> None:
        """It cannot be sent whole, so nothing of it is."""
        if isinstance(exc, RecordRejected):
            self.error = exc
        elif isinstance(exc, KafkaException):
            self.error = self._failure(exc.args[0])
        elif self.sent < len(self._records):
            self.error = unsendable(self._records[self.sent], exc)
        else:
            why = f"{type(exc).__name__}: {exc}"
            self.error = BrokerUnavailable(reasons.transaction_failed(why))

    def _failure(self, error: KafkaError) -> Unavailable:
        if error.code() in _FENCED:
            return BrokerFenced(reasons.fenced(reason(error)))
        failed = {at: why for at, why in self._failed.items() if why.code() not in _THROWN_AWAY}
        if failed:
            at = min(failed)
            return self._hands.failure(self._records[at : self.sent], failed[at])
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and self.sent:
            return self._forbidden(self._records[: self.sent], error)
        if self.commit is None and self.sent < len(self._records):
            return failure(self._records[self.sent :][:1], error)
        return BrokerUnavailable(reasons.transaction_failed(reason(error)))

    def _forbidden(self, records: Sequence[Record], error: KafkaError) -> Unavailable:
        """Where there are several topics, smaller pages tell which one is meant."""
        try:
            self._permitted()
        except Unavailable as exc:
            return exc
        topics = {record.topic for record in records}
        if len(topics) == 1:
            return failure(records, error)
        text = reasons.one_forbidden(topics, reason(error))
        return RecordRejected(text, first=records[0].id, upto=records[-1].id)


class LibrdkafkaTransactions(LibrdkafkaBroker, Journaled):
    """A `Broker` whose pages are atomic."""

    atomic = True

    def __init__(self, bootstrap_servers: str, config: Config, journal: Journal) -> None:
        super().__init__(bootstrap_servers, config)
        self._journal = journal
        self._ours = {**DEFAULTS, **TRANSACTIONS, "transactional.id": journal.topic}
        self._committing: ThreadPoolExecutor | None = None

    def open(self) -> None:
        super().open()
        self._committing = ThreadPoolExecutor(1, thread_name_prefix="commit")

    # The other base has a broker's own, which keeps no position.
    recover = Journaled.recover

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        with reaching(self._servers, self._last_word), permitted(self._journal.topic):
            yield

    def _fence(self) -> None:
        self._live.producer.init_transactions(PATIENCE_MS / 1000)

    def send(self, records: Sequence[Record], end: Checkpoint) -> LibrdkafkaTransaction:
        self._make_certain(end)
        hands = self._live
        page = LibrdkafkaTransaction(hands, records, permitted=self._still_permitted)
        produce: Any = hands.producer.produce
        try:
            hands.producer.begin_transaction()
            for _, topic, key, value, headers in records:
                report = partial(page.report, page.sent)
                produce(topic, value, key, ANY, report, None, NOW, headers)
                page.sent += 1
            at = self._journal.encode(self._tenure, end)
            produce(self._journal.topic, at, KEY, PARTITION)
            assert self._committing is not None  # noqa: S101  # it is open
            page.commit = self._committing.submit(_commit, hands)
        except (RecordRejected, KafkaException, TypeError, ValueError) as exc:
            page.fail(exc)
        return page

    def close(self) -> None:
        if self._hands is not None:
            self._hands.are_open = False
        committing, self._committing = self._committing, None
        if committing is not None:
            committing.shutdown()
        super().close()

    def _last_record(self) -> bytes | None:
        consumer = Consumer(
            {
                **for_consumer(self._config),
                "bootstrap.servers": self._servers,
                "group.id": self._journal.topic,  # The client wants one, and nobody joins it.
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "error_cb": self._last_word,
                "logger": logger,
            }
        )
        try:
            return _newest(consumer, self._journal.topic)
        finally:
            consumer.close()


def _commit(hands: Hands) -> bool:
    """Commit, in a thread of its own, for as long as the producer is not discarded."""
    while hands.are_open:
        try:
            hands.producer.commit_transaction(_SLICE)
        except KafkaException as exc:
            if not exc.args[0].retriable():
                raise
        else:
            return True
    return False


def _ends(consumer: Consumer, topic: str) -> tuple[int, int]:
    """Its first and its next offset. Not every broker knows a topic that was just created."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            place = TopicPartition(topic, PARTITION)
            return consumer.get_watermark_offsets(place, timeout=PATIENCE_MS / 1000)
        except KafkaException as exc:
            if exc.args[0].code() not in _NOT_YET_KNOWN or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _newest(consumer: Consumer, topic: str) -> bytes | None:
    low, high = _ends(consumer, topic)

    def read_from(start: int) -> bytes | None:
        value: bytes | None = None
        consumer.assign([TopicPartition(topic, PARTITION, start)])
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is None:
                continue
            error = message.error()
            if error is None:
                value = message.value()
            elif error.code() == KafkaError._PARTITION_EOF:
                if (message.offset() or 0) >= high:  # A new leader may not know yet where it ends.
                    return value
            elif error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # It is in no group.
                raise KafkaException(error)
        raise KafkaException(
            KafkaError(KafkaError._TIMED_OUT, f"{topic} cannot be read to its end")
        )

    return newest(low, high, read_from)
