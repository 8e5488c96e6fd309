"""Publishers with a fault in them: `python -m tests.chaos.mutants NAME`.

Each must fail a run of the faults that it cannot bear, or the suite proves nothing.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import patch

from publisher.adapters.journal import Journal
from publisher.adapters.kafka_config import Config
from publisher.adapters.kafka_python import KafkaPythonDelivery
from publisher.adapters.kafka_python_transactions import KafkaPythonTransactions
from publisher.adapters.librdkafka import LibrdkafkaDelivery
from publisher.adapters.librdkafka_transactions import LibrdkafkaTransactions
from publisher.cli import main
from publisher.relay import Relay
from publisher.window import Page

MODULE = "tests.chaos.mutants"

_send, _settle = Relay._send, Relay._settle


def stored_early(self: Relay, page: Page) -> bool:
    """The position moves when a page is sent, not when Kafka has it."""
    sent = _send(self, page)
    if sent:
        self._position = self._flights[-1].page.end
    return sent


def counted_over_gaps(self: KafkaPythonDelivery) -> None:
    """What is acknowledged in a page counts for all that stands before it."""
    done = [at for at, each in enumerate(self.futures) if each.is_done and each.exception is None]
    self._acknowledged = max(done, default=-1) + 1
    if self._acknowledged == len(self.futures):
        self.error = self._behind


def counted_by_the_last_report(self: LibrdkafkaDelivery) -> None:
    """The same, of the other client."""
    self._acknowledged = self._arrived.rfind(1) + 1
    if self._acknowledged == self._sent:
        self.error = self._behind


def passed_over_gaps(self: Relay, timeout: float) -> None:
    """What is acknowledged of a page counts for the pages before it."""
    while len(self._flights) > 1 and self._flights[1].delivery.settle(0):
        self._position = self._flights.popleft().page.end
    _settle(self, timeout)


def not_fenced(broker: type[Any], setting: str) -> AbstractContextManager[object]:
    """Each process has a transactional id of its own: who takes over ends no transaction."""
    make = broker.__init__

    def make_alone(self: Any, servers: str, config: Config, journal: Journal) -> None:
        make(self, servers, config, journal)
        self._ours = {**self._ours, setting: f"{journal.topic}.{os.getpid()}"}

    return patch.object(broker, "__init__", make_alone)


MUTANTS: Mapping[str, Sequence[AbstractContextManager[object]]] = {
    "stored-before-acknowledged": [patch.object(Relay, "_send", stored_early)],
    "counted-over-gaps": [
        patch.object(KafkaPythonDelivery, "_count", counted_over_gaps),
        patch.object(LibrdkafkaDelivery, "_count", counted_by_the_last_report),
        patch.object(Relay, "_settle", passed_over_gaps),
    ],
    "not-fenced": [
        not_fenced(KafkaPythonTransactions, "transactional_id"),
        not_fenced(LibrdkafkaTransactions, "transactional.id"),
    ],
}


if __name__ == "__main__":
    with ExitStack() as patches:
        for each in MUTANTS[sys.argv[1]]:
            patches.enter_context(each)
        main(["run"])
