"""Who looks after what is set aside: asks for held topics, and does what operators ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from publisher.backoff import Backoff
from publisher.parking import Parking
from publisher.ports import Broker, Limits, Parked, Request, Row, Store
from publisher.position import Position
from publisher.retry import Retry

log = structlog.get_logger("publisher.relay")


class Recall:
    """Sets aside, and brings back one after the other: there is one retry at a time, if any."""

    def __init__(
        self,
        *,
        store: Store,
        broker: Broker,
        parking: Parking,
        every: float,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._broker, self._parking = store, broker, parking
        self._every, self._clock = every, clock
        self._probe = Backoff(first=every, last=30 * every)
        self._due = clock()
        self.retry: Retry | None = None

    @property
    def closing(self) -> bool:
        """The retry has almost caught up: the relay sends nothing else for a moment."""
        return self.retry is not None and self.retry.closing

    def begin_anew(self) -> None:
        """Another publisher held the position since: see what it set aside."""
        self.retry = None
        self._parking.take_over()

    def rewind(self) -> None:
        """What was on its way is read again."""
        if self.retry is not None:
            self.retry.rewind()

    def set_aside(self, row: Row, why: str, position: Position, *, whole_topic: bool) -> None:
        """From this row on; the relay stands at the position, and nothing is on its way."""
        key = None if whole_topic else row.key
        self._park(Parked(0, row.topic, key, row.id, why, position))
        self._due = self._clock() + self._probe.next()

    def _park(self, parked: Parked) -> None:
        parked = self._parking.park(parked)
        log.warning("set aside", what=str(parked), number=parked.id, reason=parked.reason)

    def look(self, position: Position) -> None:
        """Begin a retry where one is asked for, or where a topic that was held can be written."""
        if self.retry is not None or self._clock() < self._due:
            return
        self._due = self._clock() + self._every
        for request in self._store.requests():
            if self._begin(request, position):
                return
        for parked in self._parking:
            if parked.key is None and not self._broker.unavailable({parked.topic}):
                self.retry = Retry(self._store, self._parking, parked, position)
                return

    def _begin(self, request: Request, position: Position) -> bool:
        parked = self._parking.find(request.parked)
        if parked is None:
            self._store.answer(request, "nothing is set aside under this number")
        elif parked.key is not None and self._parking.holds(parked.topic):
            self._store.answer(request, f"the whole topic {parked.topic!r} is held: mend it first")
        elif parked.key is None and request.verb == "skip":
            self._store.answer(request, "a topic cannot be skipped: mend it, or delete its rows")
        else:
            self.retry = Retry(self._store, self._parking, parked, position, request)
        return self.retry is not None

    def read(
        self, retry: Retry, position: Position, limits: Limits, *, idle: bool
    ) -> Sequence[Row] | None:
        """The next rows of the retry; none where it looks further at once, None where it cannot
        go on now. `idle`: nothing is on its way, so that the relay stands at the position."""
        if retry.on_its_way:
            return None
        rows = retry.read(limits)
        if rows:
            return None if self._is_held(retry, rows[0]) else rows
        if not retry.over:
            return ()
        if retry.closing and idle and retry.parked.until == position:
            self._release(retry)
            return ()
        retry.closing = True
        if not idle:
            return None
        retry.next_pass(position)
        return ()

    def _is_held(self, retry: Retry, row: Row) -> bool:
        missing = self._broker.unavailable({row.topic})
        if missing:
            self._end(retry, row.id, missing[row.topic])
        return bool(missing)

    def refused(self, retry: Retry, row: Row, why: str) -> None:
        """This row of the retry is refused alone: of a whole topic its key stays behind."""
        if retry.parked.key is not None:
            self._end(retry, row.id, why)
        else:
            behind = replace(retry.parked, key=row.key, row=row.id, reason=why)
            self._park(replace(behind, cursor=row.id - 1, retries=0))

    def _release(self, retry: Retry) -> None:
        parked = retry.parked
        self._parking.release(parked)
        self._answer(retry, f"published {retry.sent} rows; it is set aside no longer")
        self._probe.reset()
        log.info("released", what=str(parked), number=parked.id, rows=retry.sent)

    def _end(self, retry: Retry, row: int, why: str) -> None:
        """It stays set aside, from this row."""
        retry.refused(row, why)
        self._answer(retry, f"set aside again at outbox row {row}: {why}")
        self._due = self._clock() + self._probe.next()
        log.warning("set aside again", what=str(retry.parked), number=retry.number, reason=why)

    def _answer(self, retry: Retry, outcome: str) -> None:
        self.retry = None
        if retry.request is not None:
            self._store.answer(retry.request, outcome)
