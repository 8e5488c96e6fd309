"""What Kafka has not acknowledged for long, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from publisher.errors import BrokerUnavailable, TopicUnavailable, Unavailable
from publisher.ports import Broker, Row


@dataclass(frozen=True, slots=True)
class Stall:
    """Rows of the first page on its way, without an answer for so many seconds; none where the
    page holds the position alone."""

    rows: Sequence[Row]
    seconds: float

    def named(self, broker: Broker) -> BrokerUnavailable:
        """As far as the broker has told: of an atomic page any record may be the one."""
        return BrokerUnavailable(
            f"Kafka does not acknowledge {self._what(broker)}, which was sent more than "
            f"{self.seconds:g} s ago: look at the brokers that hold {self._where(broker)}, and at "
            "its min.insync.replicas"
        )

    def missing(self, broker: Broker) -> str:
        """Why their topics cannot be written; empty where they can."""
        broker.forget_topics()
        return "; ".join(broker.unavailable(self._topics).values()) if self.rows else ""

    def explained(self, broker: Broker) -> Unavailable:
        """With the brokers that are away, where their topics wait for some."""
        waiting = broker.leaderless(self._topics) if self.rows else {}
        return TopicUnavailable("; ".join(waiting.values())) if waiting else self.named(broker)

    @property
    def _topics(self) -> set[str]:
        return {row.topic for row in self.rows}

    def _what(self, broker: Broker) -> str:
        if not self.rows:
            return "the position behind rows that are set aside"
        first, last = self.rows[0], self.rows[-1]
        if broker.atomic and first.id != last.id:
            names = ", ".join(map(repr, sorted(self._topics)))
            return f"the page of outbox rows {first.id} to {last.id} for {names}"
        return f"outbox row {first.id} for topic {first.topic!r}"

    def _where(self, broker: Broker) -> str:
        if not self.rows:
            return "its topic"
        return "these topics" if broker.atomic and len(self._topics) > 1 else "this topic"
