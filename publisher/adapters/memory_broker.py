"""A broker in memory, for tests of the relay and of what embeds it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from publisher.errors import (
    BrokerFenced,
    BrokerUnavailable,
    PositionAhead,
    PositionLost,
    RecordRejected,
    TopicForbidden,
    Unavailable,
)
from publisher.ports import Confirm, Delivery, Record, Tenure
from publisher.position import Checkpoint


class MemoryDelivery:
    """A page that is acknowledged as far as its broker says.

    Behind a rejected record, what was sent of other keys arrives, as in other partitions.
    """

    def __init__(self, broker: MemoryBroker, records: Iterable[Record]) -> None:
        self._records: list[Record] = []
        self._behind: RecordRejected | None = None
        try:
            for record in records:
                broker.require_sendable(record)
                self._records.append(record)
        except RecordRejected as exc:
            self._behind = exc
        broker.sent += self._records
        self._broker = broker
        self._opening = broker.openings
        self._acknowledged = 0
        self.error: Unavailable | None = None

    @property
    def stopped(self) -> bool:
        return self._behind is not None

    @property
    def arrived(self) -> bool:
        return self._behind is None and self._acknowledged == len(self._records)

    def settle(self, timeout: float) -> int:
        while self._acknowledged < len(self._records) and self._answered:
            record = self._records[self._acknowledged]
            self.error = self._error(record)
            if self.error is not None:
                break
            self._broker.log.append(record)
            self._acknowledged += 1
        if self._behind and self._acknowledged == len(self._records):
            self.error = self._behind
        return self._acknowledged

    @property
    def _answered(self) -> bool:
        broker = self._broker
        if self.error is not None or self._opening != broker.openings or not broker.is_open:
            return False
        in_time = self._records[self._acknowledged].id <= broker.acknowledge_upto
        return not broker.frozen and (in_time or broker.outage is not None)

    def _error(self, record: Record) -> Unavailable | None:
        if record.id in self._broker.rejected:
            behind = self._broker.sent[self._broker.sent.index(record) :]
            self._broker.log += [other for other in behind if other.key != record.key]
            return _refusal(record, "is rejected")
        if self._broker.outage is not None:
            return BrokerUnavailable(self._broker.outage)
        return self._broker.forbids(record)


class MemoryBroker:
    """A `Broker` that can be frozen, lost, and made to stop at a given row.

    A row in `unsendable` stops its page, one in `rejected` is refused on arrival. Nothing is
    told of topics in `forbidden` before a record of theirs arrives.
    """

    atomic = False

    def __init__(self) -> None:
        self.log: list[Record] = []
        self.sent: list[Record] = []
        self.missing: dict[str, str] = {}
        self.without_leader: dict[str, str] = {}
        self.forbidden: set[str] = set()
        self.unsendable: set[int] = set()
        self.rejected: set[int] = set()
        self.outage: str | None = None
        self.silence: str | None = None
        self.frozen = False
        self.acknowledge_upto = 2**63
        self.openings = 0
        self._open = False

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        if self.outage is not None:
            raise BrokerUnavailable(self.outage)
        self.openings += 1
        self.sent = []
        self._open = True

    def recover(self, tenure: Tenure, confirm: Confirm) -> Checkpoint:
        return Checkpoint(tenure.position)

    def leaderless(self, topics: Collection[str]) -> Mapping[str, str]:
        return {topic: why for topic, why in self.without_leader.items() if topic in topics}

    def unavailable(self, topics: Collection[str]) -> Mapping[str, str]:
        if self.silence is not None:
            raise BrokerUnavailable(self.silence)
        return {topic: why for topic, why in self.missing.items() if topic in topics}

    def forget_topics(self) -> None:
        """`missing` is asked each time."""

    def send(self, records: Sequence[Record], end: Checkpoint) -> Delivery:
        if not self._open:
            raise BrokerUnavailable("the connection to Kafka is closed: open it first")
        return MemoryDelivery(self, records)

    def forbids(self, record: Record) -> TopicForbidden | None:
        if record.topic not in self.forbidden:
            return None
        return TopicForbidden(f"topic {record.topic!r} is forbidden", topic=record.topic)

    def require_sendable(self, record: Record) -> None:
        if record.id in self.unsendable:
            raise _refusal(record, "cannot be sent")

    def close(self) -> None:
        self._open = False


class MemoryTransaction:
    """A page that arrives whole with its end, or not at all."""

    def __init__(
        self, broker: MemoryTransactions, records: Iterable[Record], end: Checkpoint
    ) -> None:
        self._broker, self._end = broker, end
        self._records: list[Record] = []
        self._opening = broker.openings
        self.error: Unavailable | None = None
        self.stopped = False
        self._committed = False
        try:
            for record in records:
                broker.require_sendable(record)
                self._records.append(record)
        except RecordRejected as exc:
            self.error, self.stopped = exc, True

    @property
    def arrived(self) -> bool:
        return self._committed

    def settle(self, timeout: float) -> int:
        if self.error is None and not self._committed and not self._broker.frozen:
            self.error = self._failure()
            if self.error is None:
                self._commit()
            if self.error is None and self._broker.loses_answers:
                self._broker.loses_answers -= 1
                self._committed, self.error = False, BrokerUnavailable("the answer is lost")
        return len(self._records) if self._committed else 0

    def _failure(self) -> Unavailable | None:
        broker = self._broker
        if self._opening != broker.fence or not broker.is_open:
            return BrokerFenced("another producer has this transactional id")
        if broker.outage is not None:
            return BrokerUnavailable(broker.outage)
        forbidden = next(filter(None, map(broker.forbids, self._records)), None)
        if forbidden is not None and broker.vague and len({r.topic for r in self._records}) > 1:
            begin, end = self._records[0].id, self._records[-1].id
            return RecordRejected("one of the topics is forbidden", first=begin, upto=end)
        if forbidden is not None:
            return forbidden
        refused = [record for record in self._records if record.id in broker.rejected]
        if refused:
            last = self._records[-1] if broker.vague else refused[0]
            return RecordRejected(
                f"row {refused[0].id} is rejected", first=refused[0].id, upto=last.id
            )
        return None

    def _commit(self) -> None:
        self._committed = True
        self._broker.log += self._records
        self._broker.journal = self._end
        self._broker.transactions += 1


class MemoryTransactions(MemoryBroker):
    """A `Broker` whose pages are atomic; with `vague`, a refusal may be meant for any record from
    the refused one to the end of its page, or for any of its topics."""

    atomic = True

    def __init__(self) -> None:
        super().__init__()
        self.journal: Checkpoint | None = None
        self.transactions = 0
        self.pages = 0
        self.loses_answers = 0
        self.fence = 0
        self.vague = False
        self._confirm: Confirm = lambda: 0

    def recover(self, tenure: Tenure, confirm: Confirm) -> Checkpoint:
        self.fence, self._confirm = self.openings, confirm
        if not tenure.mirrored:
            confirm()
            self.journal = Checkpoint(tenure.position)
        if self.journal is None:
            raise PositionLost("the journal is empty")
        if tenure.mirrored and self.journal.position.seen.xmax > confirm():
            raise PositionAhead("the journal is ahead of the database")
        return self.journal

    def send(self, records: Sequence[Record], end: Checkpoint) -> Delivery:
        if not self._open:
            raise BrokerUnavailable("the connection to Kafka is closed: open it first")
        self._confirm()
        self.pages += 1
        return MemoryTransaction(self, records, end)


def _refusal(record: Record, what: str) -> RecordRejected:
    return RecordRejected(f"row {record.id} {what}", first=record.id, upto=record.id)
