"""When the records of a topic came."""

import time
from bisect import bisect_left
from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

from tests.acceptance.stress.verdict import Delivered


class Arrival(NamedTuple):
    """When a record was read, its event recorded, and it appended, in seconds since the epoch."""

    read: float
    recorded: float
    appended: float


class Arrivals:
    """In the order in which they were read."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._all: list[Arrival] = []

    def __len__(self) -> int:
        return len(self._all)

    def add(self, record: Delivered) -> None:
        self._all.append(Arrival(self._clock(), record.recorded, record.appended / 1000))

    def first_since(self, moment: float) -> float | None:
        """When the first event that was recorded after that moment was appended; None where none
        was yet.

        What was recorded before and is appended after it was perhaps with the broker, or on the
        way, while a publisher hangs.
        """
        read_since = bisect_left(self._all, moment, key=attrgetter("read"))
        since = (each for each in self._all[read_since:] if each.recorded >= moment)
        return min((each.appended for each in since), default=None)
