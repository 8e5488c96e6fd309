"""What brokers whose pages are atomic have in common: going on from their journal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager

from publisher.adapters import reasons
from publisher.adapters.clients import Topics
from publisher.adapters.journal import Journal, recover
from publisher.errors import BrokerUnavailable
from publisher.ports import Confirm, Delivery, Record, Tenure
from publisher.position import Checkpoint, Snapshot

PATIENCE = 2.0
"""Seconds for the first transaction."""


class Journaled(ABC):
    """A `Broker` whose position is in a journal; a client adds how it is read and who is fenced.

    A transaction that failed is not aborted by hand: the next producer of its id ends it when it
    starts, and tells from the journal whether it was committed.
    """

    _journal: Journal
    _tenure: Tenure
    _confirm: Confirm = staticmethod(lambda: 0)
    _certain: Snapshot | None = None
    _topics: Topics | None

    @abstractmethod
    def unavailable(self, topics: Collection[str]) -> Mapping[str, str]: ...

    @abstractmethod
    def forget_topics(self) -> None: ...

    @abstractmethod
    def send(self, records: Sequence[Record], end: Checkpoint) -> Delivery: ...

    @abstractmethod
    def _reaching(self) -> AbstractContextManager[None]:
        """Turn what the client raises into errors of ours."""

    @abstractmethod
    def _fence(self) -> None:
        """Keep whoever sent under this transactional id from sending anything more."""

    @abstractmethod
    def _last_record(self) -> bytes | None:
        """The newest position that was committed."""

    def recover(self, tenure: Tenure, confirm: Confirm) -> Checkpoint:
        self._tenure, self._confirm, self._certain = tenure, confirm, None
        self._create_journal()
        with self._reaching():
            return recover(
                self._journal,
                tenure,
                read=self._last_record,
                fence=self._fence,
                confirm=confirm,
                write=self._adopt,
            )

    def _make_certain(self, end: Checkpoint) -> None:
        """Kafka must not keep what a crash of the database could take back."""
        seen = end.position.seen
        if seen != self._certain:
            self._confirm()
            self._certain = seen

    def _permitted(self) -> Mapping[str, str]:
        """Raises `BrokerUnavailable` where this user may not write the journal; else what is wrong
        with it."""
        topic = self._journal.topic
        missing = self.unavailable({topic})
        if missing.get(topic) == reasons.topic_forbidden(topic):
            raise BrokerUnavailable(reasons.journal_forbidden(topic))
        return missing

    def _still_permitted(self) -> None:
        """Asked after an error that tells of no topic: raises `BrokerUnavailable` where the journal
        is meant, or Kafka cannot be asked."""
        self.forget_topics()
        self._permitted()

    def _create_journal(self) -> None:
        missing = self._permitted()
        if self._topics is not None and missing:
            for why in self._topics.create([self._journal.declared()]).values():
                if why not in (reasons.CREATED, reasons.EXISTS):
                    raise BrokerUnavailable(why)

    def _adopt(self, reached: Checkpoint) -> None:
        page = self.send((), reached)
        page.settle(PATIENCE)
        if not page.arrived:
            raise page.error or BrokerUnavailable(reasons.transaction_failed(reasons.NO_ANSWER))
