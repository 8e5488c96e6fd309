"""The loop: reads pages, hands them over, and moves the position behind what is acknowledged."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import structlog

from publisher.backoff import Backoff
from publisher.bookmark import Bookmark
from publisher.delivery import CloudEvents
from publisher.errors import (
    BrokerFenced,
    PositionAhead,
    StandsBy,
    StoreUnavailable,
    TopicUnavailable,
    Unavailable,
)
from publisher.flight import Flight, Nothing, less_than
from publisher.health import Health
from publisher.leader import TRY_EVERY
from publisher.paging import PageSize
from publisher.parking import Parking
from publisher.ports import Broker, Limits, Store, Tenure
from publisher.position import Checkpoint, Position
from publisher.recall import Recall
from publisher.retry import Retry
from publisher.setback import Failure, Setbacks
from publisher.stall import Stall
from publisher.stop import Stop
from publisher.wakeup import Sleeper
from publisher.window import Page, Window

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen, in seconds, and how many pages' worth is on its way at once."""

    busy: float = 0.005
    idle: float = 0.020
    nap: float = 1.0
    save: float = 0.250
    measure: float = 2.0
    stall: float = 5.0
    settle_at_stop: float = 3.0
    pages: int = 2
    transaction: float = 0.4
    probe: float = 2.0


class Relay:
    """Publishes a store's events to a broker until it is told to stop.

    Whatever is unavailable is waited for, as long as it takes; no row is given up by itself. Rows
    between the stored position and a crash are published again, in their order. Behind a row that
    Kafka refuses nothing is sent, so that what other partitions took is not repeated at each try.
    """

    def __init__(
        self,
        *,
        store: Store,
        broker: Broker,
        health: Health,
        limits: Limits | None = None,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._broker, self._health, self._clock = store, broker, health, clock
        self._pace = pace or Pace()
        self._backoff = Backoff(first=0.1, last=2.0, jitter=0.3)
        self._rest = Backoff(first=self._pace.busy, last=self._pace.idle, factor=1.5)
        self._sleeper = Sleeper(store, rest=self._rest, nap=self._pace.nap)
        self._size = PageSize(limits or Limits(), seconds=self._pace.transaction)
        self._parking = Parking(store)
        self._recall = Recall(
            store=store,
            broker=broker,
            parking=self._parking,
            every=self._pace.probe,
            clock=clock,
            store_position=lambda: self._bookmark.store(self._position),
        )
        self._bookmark = Bookmark(
            store=store,
            health=health,
            every=self._pace.save,
            measure_every=self._pace.measure,
            clock=clock,
        )
        self._retries_next = False
        self._tenure = Tenure(Position(), "", inherited=True)
        self._setbacks = Setbacks(recall=self._recall, size=self._size, atomic=broker.atomic)
        self._proven = True
        self._resume(Position())
        self._moved_at = clock()

    def run(self, stop: Stop) -> None:
        """Relay until the stop; then settle what is on its way and store the position.

        Raises `TimelineChanged`, `CredentialsRejected`, `Fenced`, `PositionLost` and
        `ConfigurationInvalid`, which waiting cannot cure.
        """
        try:
            while not stop.is_set:
                self._sleeper.wait(stop, self.step())
            self._settle_at_stop(stop)
        finally:
            self._broker.close()
            self._store.close()

    def step(self) -> float:
        """Do what can be done now; return the seconds to wait before the next step."""
        self._health.turned()
        try:
            pause = self._turn()
        except StandsBy as exc:
            self._stand_by(exc)
            return TRY_EVERY
        except Unavailable as exc:
            self._set_back(exc)
            return self._backoff.next()
        finally:
            self._health.active = self._store.is_open
        if self._proven:
            self._backoff.reset()
            if self._health.goes_on():
                log.info("publishing", position=str(self._position.prev))
        return pause

    def _turn(self) -> float:
        self._open_store()
        self._bookmark.follow(self._position)
        self._open_broker()
        self._parking.flush()
        self._settle(0.0)
        if not self._broker.is_open:
            return 0.0  # It was given a record that is set aside now.
        self._health.parked = [str(parked) for parked in self._parking]
        self._recall.look(self._position)
        if self._has_room():
            if self._send_something():
                self._rest.reset()
                return 0.0
        else:
            self._read_ahead()
        idle = not self._flights and self._recall.retry is None
        if idle and self._bookmark.is_at(self._position):
            return self._sleeper.rest()
        if not self._flights:
            return self._rest.next()
        self._settle(self._rest.next())
        self._look_into_stall()
        return 0.0

    def _open_store(self) -> None:
        if not self._store.is_open:
            self._tenure = tenure = self._store.open()
            self._bookmark.measure_soon()
            if tenure.inherited:
                self._broker.close()
                self._resume(tenure.position)
                self._bookmark.found(tenure.position)
            self._recall.take_over(inherited=tenure.inherited)

    def _open_broker(self) -> None:
        if not self._broker.is_open:
            self._broker.open()
            try:
                self._recover()
            except BaseException:
                self._broker.close()
                raise

    def _recover(self) -> None:
        """Go on from where it counts. Once Kafka keeps the position, the table has to say so
        before the first page is sent."""
        tenure = replace(self._tenure, position=self._position)
        try:
            reached = self._broker.recover(tenure, self._store.confirm)
        except PositionAhead:
            self._store.disown()  # Later, the database may have reached it all the same.
            raise
        self._parking.resume(reached.retried)
        self._resume(reached.position)
        if self._broker.atomic and not self._tenure.mirrored:
            self._bookmark.store(self._position)
            self._tenure = replace(self._tenure, mirrored=True)

    def _resume(self, position: Position) -> None:
        """Start reading again behind what is acknowledged; what is on its way is forgotten."""
        self._position = position
        self._flights: deque[Flight] = deque()
        self._read_from(position)
        self._recall.rewind()

    def _read_from(self, position: Position) -> None:
        self._ahead: Page | None = None
        self._window = Window(self._store, position, limits=self._size.limits)

    def _has_room(self) -> bool:
        if self._flights and self._flights[-1].delivery.stopped:
            return False
        if self._broker.atomic or self._size.narrowed:
            return not self._flights
        return less_than(self._flights, self._size.limits, pages=self._pace.pages)

    def _read_ahead(self) -> None:
        """Read the next page while there is no room for it."""
        if self._ahead is None:
            page = self._read()
            self._ahead = page if page.rows else None

    def _read(self) -> Page:
        self._sleeper.before_read()
        self._window.limits = self._size.limits
        return self._window.read()

    def _send_something(self) -> bool:
        """A page of the window, in turns with one of what is retried."""
        self._retries_next = not self._retries_next
        closing, retry = self._recall.closing, self._recall.retry
        if retry and (self._retries_next or closing) and self._send_again(retry):
            return True
        return not closing and self._send_page()

    def _send_again(self, retry: Retry) -> bool:
        idle = not self._flights
        rows = self._recall.read(retry, self._position, self._size.limits, idle=idle)
        if rows:
            try:
                self._dispatch(Page(rows, self._position, self._position), retry)
            except Unavailable:
                retry.rewind()
                raise
        return rows is not None

    def _send_page(self) -> bool:
        """Send the next page, while the database works at the one behind it.

        Where that fails it is read anew later, for rows may be removed.
        """
        page, self._ahead = self._ahead or self._read(), None
        if not page.rows:
            return self._skip(page)
        self._sleeper.stir()
        try:
            self._window.foresee()
            return self._send(page)
        except Unavailable:
            self._read_from(page.start)
            raise

    def _send(self, page: Page) -> bool:
        rows = self._parking.sift(page.rows)
        missing = self._broker.unavailable({row.topic for row in rows})
        if missing and self._flights:
            self._ahead = page  # What is on its way must not have to be read again.
            return False
        for topic, why in missing.items():
            row = next(row for row in rows if row.topic == topic)
            self._recall.set_aside(row, why, page.start, whole_topic=True)
        self._dispatch(replace(page, rows=self._parking.sift(rows)))
        return True

    def _dispatch(self, page: Page, retry: Retry | None = None) -> None:
        """Hand a page over; one whose rows are all set aside takes its turn with the others, and
        Kafka gets to know its end where it keeps the position."""
        if not self._flights:
            self._moved_at = self._clock()
        if not page.rows and not self._broker.atomic:
            self._flights.append(Flight(page, Nothing(), self._clock()))
            return
        records = CloudEvents(self._tenure.source, page.rows)
        end = Checkpoint(page.end)
        if retry is not None:
            end = Checkpoint(self._position, retry.reached(page.rows[-1].id))
            retry.on_its_way = True
        delivery = self._broker.send(records, end)
        self._flights.append(Flight(page, delivery, self._clock(), retry))

    def _skip(self, page: Page) -> bool:
        """Move over a page without rows; True where more of its window follows."""
        ended = page.end.now is None
        if not self._flights:
            self._position = page.end
            self._moved_at = self._clock()
            self._proven = True
            if ended and page.start.now is None:
                self._bookmark.nothing_left()
            self._bookmark.skip(page.start, page.end)
            self._relax()
        return not ended

    def _settle(self, timeout: float) -> None:
        """Wait for news of the first page, and take those of the others that are there."""
        while self._flights:
            flight = self._flights[0]
            self._move(flight, flight.delivery.settle(timeout))
            timeout = 0.0
            if flight.delivery.error is not None:
                self._give_back(list(self._flights))
                return
            if not flight.landed:
                return
            self._flights.popleft()
            self._landed(flight)

    def _landed(self, flight: Flight) -> None:
        rows = flight.page.rows
        if flight.retry is not None:
            flight.retry.arrived(len(rows), rows[-1].id)
            return
        if not rows:
            self._position, self._moved_at = flight.page.end, self._clock()
            self._proven = True
        if self._broker.atomic and rows:
            self._size.took(len(rows), self._clock() - flight.sent_at)
        self._relax()

    def _move(self, flight: Flight, acknowledged: int) -> None:
        if acknowledged > flight.acknowledged:
            self._health.acknowledged += acknowledged - flight.acknowledged
            flight.acknowledged = acknowledged
            if flight.retry is None:
                self._position = flight.page.after(acknowledged)
            self._moved_at = self._clock()
            self._proven = True
            self._rest.reset()

    def _give_back(self, flights: Sequence[Flight]) -> None:
        """Start again behind what is acknowledged. Raises what has to be waited for."""
        failure = Failure.among(flights)
        self._broker.close()
        self._flights.clear()
        self._proven = False
        self._setbacks.judge(failure, self._position)

    def _relax(self) -> None:
        """Read whole pages again once the position has passed the refused row."""
        if self._size.passed(self._position):
            self._read_from(self._position)

    def _look_into_stall(self) -> None:
        """Name the reason where records have been waiting for long; they stay on their way."""
        if not self._flights or self._clock() - self._moved_at < self._pace.stall:
            return
        self._proven = False  # Others may go on meanwhile.
        stall = Stall(self._flights[0].waiting, self._pace.stall)
        if self._health.reason is None:
            self._set_back(stall.named(self._broker))
        missing = stall.missing(self._broker)
        if missing:  # Given back, it can be held.
            self._broker.close()
            self._flights.clear()
            raise TopicUnavailable(missing)
        raise stall.explained(self._broker)

    def _stand_by(self, exc: StandsBy) -> None:
        """Leave the position to another one; what is on its way here would only repeat events."""
        self._broker.close()
        if self._flights:
            self._resume(self._position)
        self._health.parked = []
        self._backoff.reset()
        self._health.out_of_sight()
        if self._health.waits_for(str(exc)):
            log.info("standing by", reason=str(exc))

    def _set_back(self, exc: Unavailable) -> None:
        if isinstance(exc, BrokerFenced):
            self._store.close()  # Opened again, it tells who holds the position now.
        if isinstance(exc, StoreUnavailable):
            self._health.out_of_sight()
        if self._health.waits_for(str(exc)):
            log.warning("waiting", reason=str(exc))

    def _settle_at_stop(self, stop: Stop) -> None:
        """Store what is acknowledged, then again what is settled in the time that is left."""
        deadline = self._clock() + self._pace.settle_at_stop - stop.age
        self._stir_at_stop()
        self._save_at_stop()
        with _reported_at_stop():
            while self._flights and self._clock() < deadline:
                self._settle(self._pace.idle)
        self._save_at_stop()

    def _save_at_stop(self) -> None:
        with _reported_at_stop():
            if self._store.is_open and not self._bookmark.is_at(self._position):
                self._bookmark.store(self._position)

    def _stir_at_stop(self) -> None:
        with _reported_at_stop():
            if self._store.is_open:
                self._sleeper.stir()


@contextmanager
def _reported_at_stop() -> Iterator[None]:
    try:
        yield
    except Unavailable as exc:
        log.warning("stopped while waiting", reason=str(exc))
