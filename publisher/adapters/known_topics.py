"""What is known of topics, so that Kafka is not asked before each page.

A record that a topic may find too large is sent alone: what is behind it in the same partition
would arrive, and the record not, even from an idempotent producer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from publisher.adapters.reasons import Leaderless, may_be_too_large
from publisher.errors import RecordRejected
from publisher.ports import Record

Describe = Callable[[Collection[str]], Mapping[str, int | str]]
Limits = Callable[[Collection[str]], Mapping[str, int]]

_ANY = 2**31
"""Bytes that nothing exceeds."""
_FRAME = 100
"""Bytes around a record that is a batch of its own, at most."""
_USUAL = 16 * 1024
"""Bytes of key and headers below which the length of the value tells enough."""


class KnownTopics:
    """Remembers which topics can be written; what cannot be is asked for again each time."""

    def __init__(self, describe: Describe, limits: Limits) -> None:
        self._describe, self._ask_limits = describe, limits
        self._known: set[str] = set()
        self._limits: dict[str, int] = {}
        self.harmless = _ANY

    def unavailable(self, topics: Collection[str]) -> Mapping[str, str]:
        """Which of these cannot be written, and why."""
        asked = set(topics) - self._known
        troubles = self._troubles(asked) if asked else {}
        missing = {name: why for name, why in troubles.items() if type(why) is not Leaderless}
        found = asked - missing.keys()
        if found:
            self._known |= found
            self._limits.update(self._ask_limits(found))
            self.harmless = min(self._limits.values(), default=_ANY) - _USUAL
        return missing

    def goes_alone(self, record: Record, *, of: int) -> bool:
        """Whether nothing may be sent behind this record before it has arrived; asked of those
        whose value is longer than `harmless`. Among several it raises `RecordRejected`: compressed
        it may fit, so it is tried alone."""
        limit = self._limits.get(record.topic, _ANY)
        large = _size(record) > limit
        if large and of > 1:
            why = may_be_too_large(record, limit)
            raise RecordRejected(why, first=record.id, upto=record.id)
        return large

    def leaderless(self, topics: Collection[str]) -> Mapping[str, str]:
        """Which of these wait for a broker that holds a part of them."""
        troubles = self._troubles(set(topics))
        return {name: why for name, why in troubles.items() if type(why) is Leaderless}

    def forget(self) -> None:
        """Ask again about all of them."""
        self._known.clear()

    def _troubles(self, topics: set[str]) -> dict[str, str]:
        states = self._describe(topics)
        return {name: state for name, state in states.items() if isinstance(state, str)}


def _size(record: Record) -> int:
    headers = sum(len(name) + len(value) + 6 for name, value in record.headers)
    return _FRAME + len(record.key) + len(record.value or b"") + headers
