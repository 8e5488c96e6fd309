"""Reads a topic while it is written, as the verifier does: committed records only."""

import time
from collections.abc import Iterable
from contextlib import suppress
from threading import Event, Thread
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from tests.acceptance.stress.ledger import Change
from tests.acceptance.stress.verdict import Delivered
from tests.chaos.arrivals import Arrivals
from tests.topics import read_topic

PATIENCE = 60.0


class Reader:
    """Follows one topic from its beginning; what Kafka's outages interrupt is taken up again.

    `changes` are those that arrived, and those that had before it was created again.
    """

    def __init__(
        self, servers: str, topic: str, partitions: int, earlier: Iterable[Change] = ()
    ) -> None:
        self.topic = topic
        self.changes = set(earlier)
        self.arrivals = Arrivals()
        self._servers = servers
        self._next = {TopicPartition(topic, number): 0 for number in range(partitions)}
        self._stop = Event()
        self._thread = Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def records(self) -> int:
        return len(self.arrivals)

    def finish(self) -> list[Delivered]:
        """All that the topic holds, read anew, and the end of following it."""
        self.stop()
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return list(map(Delivered.of, read_topic(self._servers, self.topic)))
            except KafkaError:
                if time.monotonic() > deadline:
                    raise

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _follow(self) -> None:
        while not self._stop.is_set():
            with suppress(KafkaError, OSError):
                self._read()

    def _read(self) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=self._servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            group_id=None,
            auto_offset_reset="none",
            bootstrap_timeout_ms=2_000,
            request_timeout_ms=5_000,
            reconnect_backoff_max_ms=200,
            metadata_max_age_ms=2_000,
            fetch_max_wait_ms=50,
        )
        try:
            consumer.assign(list(self._next))
            for partition, offset in self._next.items():
                consumer.seek(partition, offset)
            while not self._stop.is_set():
                self._take(consumer.poll(timeout_ms=100))
        finally:
            with suppress(KafkaError):
                consumer.close()

    def _take(self, found: dict[TopicPartition, list[Any]]) -> None:
        for partition, records in found.items():
            for record in records:
                delivered = Delivered.of(record)
                self.changes.add(delivered.change)
                self.arrivals.add(delivered)
                self._next[partition] = record.offset + 1
