"""What is set aside, so that everything else goes on.

A key is parked behind a record that Kafka refuses, a topic is held while it cannot be written.
Either has its own position: what the relay has passed over since then is found again by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from publisher.ports import Parked, Request, Row, Store
from publisher.position import Progress


class Parking:
    """What is set aside for one publisher, as the store has it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parked: dict[int, Parked] = {}
        self._unkept: dict[int, Parked] = {}
        self._index()

    def __iter__(self) -> Iterator[Parked]:
        return iter(list(self._parked.values()))

    def find(self, number: int) -> Parked | None:
        """What is set aside under this number."""
        return self._parked.get(number)

    def holds(self, topic: str) -> bool:
        """Whether the whole topic is set aside."""
        return topic in self._topics

    def take_over(self) -> None:
        """Read what is set aside, also by the publisher before this one: an answer of the store
        may have been lost on its way."""
        self._parked = {parked.id: parked for parked in self._store.parked()}
        self._unkept = {n: parked for n, parked in self._unkept.items() if n in self._parked}
        self._parked |= self._unkept
        self._index()

    def forget(self) -> None:
        """What could not be stored is somebody else's to say now."""
        self._unkept.clear()

    def sift(self, rows: Sequence[Row], *, topic: str | None = None) -> Sequence[Row]:
        """The rows that are not set aside; of a held `topic` itself, those whose key is not."""
        if not self._parked:
            return rows
        topics, keys = self._topics - {topic}, self._keys
        return [row for row in rows if row.topic not in topics and (row.topic, row.key) not in keys]

    def park(self, parked: Parked) -> Parked:
        """Set something aside; it has its number from now on."""
        parked = self._store.park(parked)
        self._parked[parked.id] = parked
        self._index()
        return parked

    def keep(self, parked: Parked) -> Parked:
        """Note how its retry has come along. Where the store is away, `flush` has to follow."""
        self._parked[parked.id] = self._unkept[parked.id] = parked
        self.flush()
        return parked

    def flush(self) -> None:
        """Store what could not be stored before: the journal in Kafka remembers the last only."""
        for number, parked in list(self._unkept.items()):
            self._store.keep(parked)
            del self._unkept[number]

    def release(self, parked: Parked, request: Request | None, outcome: str) -> None:
        """Set it aside no longer, as a request may have asked."""
        self._store.release(parked, request, outcome)
        del self._parked[parked.id]
        self._index()

    def resume(self, retried: Progress | None) -> None:
        """Take over what the journal knows of a retry, and the store perhaps does not."""
        parked = None if retried is None else self.find(retried.parked)
        if retried and parked and parked.until == retried.until and parked.cursor < retried.cursor:
            self.keep(replace(parked, cursor=retried.cursor))

    def _index(self) -> None:
        self._topics = {parked.topic for parked in self if parked.key is None}
        self._keys = {(parked.topic, parked.key) for parked in self if parked.key is not None}
