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


class _Probe:
    """When a held topic is asked for: more and more seldom."""

    def __init__(self, every: float, now: float) -> None:
        self._waits = Backoff(first=every, last=30 * every)
        self.put_off(now)

    def put_off(self, now: float) -> None:
        self.due = now + self._waits.next()


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
        store_position: Callable[[], None],
    ) -> None:
        self._store, self._broker, self._parking = store, broker, parking
        self._every, self._clock, self._store_position = every, clock, store_position
        self._requests_due = clock()
        self._probes: dict[int, _Probe] = {}
        self.retry: Retry | None = None

    @property
    def closing(self) -> bool:
        """The retry has almost caught up: the relay sends nothing else for a moment."""
        return self.retry is not None and self.retry.closing

    def take_over(self, *, inherited: bool) -> None:
        """The store was opened: what it has counts, and where another publisher held the position
        since, the retry is over."""
        if inherited:
            self.retry = None
            self._parking.forget()
        self._parking.take_over()
        if self.retry and self._parking.find(self.retry.number) is None:
            self.retry = None

    def rewind(self) -> None:
        """What was on its way is read again."""
        if self.retry is not None:
            self.retry.rewind()

    def set_aside(self, row: Row, why: str, position: Position, *, whole_topic: bool) -> None:
        """From this row on; the relay stands at the position, and nothing is on its way."""
        key = None if whole_topic else row.key
        self._park(Parked(0, row.topic, key, row.id, why, position))

    def _park(self, parked: Parked) -> None:
        parked = self._parking.park(parked)
        log.warning("set aside", what=str(parked), number=parked.id, reason=parked.reason)

    def look(self, position: Position) -> None:
        """Begin a retry where one is asked for, or where a topic that was held can be written."""
        now = self._clock()
        if self.retry is None and now >= self._requests_due:
            self._requests_due = now + self._every
            for request in self._store.requests():
                if self._begin(request, position):
                    return
        if self.retry is None:
            self._probe_topics(position, now)

    def _probe_topics(self, position: Position, now: float) -> None:
        for parked in self._parking:
            if parked.key is not None:
                continue
            probe = self._probes.setdefault(parked.id, _Probe(self._every, now))
            if now >= probe.due:
                probe.put_off(now)
                if not self._broker.unavailable({parked.topic}):
                    self.retry = Retry(self._store, self._parking, parked, position)
                    return

    def _begin(self, request: Request, position: Position) -> bool:
        parked = self._parking.find(request.parked)
        if parked is None:
            self._store.answer(request, f"nothing is set aside under number {request.parked}")
        elif parked.key is not None and self._parking.holds(parked.topic):
            self._store.answer(request, f"the whole topic {parked.topic!r} is held: mend it first")
        elif parked.key is None and request.verb == "skip":
            self._store.answer(request, "a topic cannot be skipped: mend it, or delete its rows")
        elif request.verb == "skip" and request.row != parked.row:
            self._store.answer(
                request, f"outbox row {parked.row} stands first now: look at it, and ask again"
            )
        else:
            self.retry = Retry(self._store, self._parking, parked, position, request)
        return self.retry is not None

    def read(
        self, retry: Retry, position: Position, limits: Limits, *, idle: bool
    ) -> Sequence[Row] | None:
        """The next rows of the retry; none where it looks further at once, None where it cannot
        go on now. `idle`: nothing is on its way, so that the relay stands at the position."""
        if retry.on_its_way or self._is_held(retry):
            return None
        rows = retry.read(limits)
        if rows or not retry.over:
            return rows
        if retry.closing and idle and retry.parked.until == position:
            self._release(retry)
            return ()
        retry.closing = retry.short
        if retry.closing and not idle:
            return None
        retry.next_pass(position)
        return ()

    def _is_held(self, retry: Retry) -> bool:
        topic = retry.parked.topic
        why = self._broker.unavailable({topic}).get(topic)
        if retry.parked.key is not None and self._parking.holds(topic):
            why = f"the whole topic {topic!r} is held"  # Its retry sends what this key waits for.
        if why is not None:
            self.forbidden(retry, why)
        return why is not None

    def forbidden(self, retry: Retry, why: str) -> None:
        """The topic of the retry cannot be written now."""
        retry.held(why)
        self._end(retry)

    def refused(self, retry: Retry, row: Row, why: str) -> None:
        """This row of the retry is refused alone: of a whole topic its key stays behind."""
        if retry.parked.key is not None:
            retry.refused(row.id, why)
            self._end(retry)
        else:
            behind = replace(retry.parked, key=row.key, row=row.id, reason=why)
            self._park(replace(behind, cursor=row.id - 1, retries=0))

    def _release(self, retry: Retry) -> None:
        parked = retry.parked
        self._store_position()  # Behind a position that is older, it would be met again.
        outcome = f"published {retry.sent} rows; it is set aside no longer"
        self._parking.release(parked, retry.request, outcome)
        self._probes.pop(parked.id, None)
        self._done()
        log.info("released", what=str(parked), number=parked.id, rows=retry.sent)

    def _end(self, retry: Retry) -> None:
        """It stays set aside."""
        parked = retry.parked
        self._done()
        if retry.request is not None:
            outcome = f"set aside again at outbox row {parked.row}: {parked.reason}"
            self._store.answer(retry.request, outcome)
        log.warning("set aside again", what=str(parked), number=parked.id, reason=parked.reason)

    def _done(self) -> None:
        self.retry, self._requests_due = None, self._clock()
