"""What becomes of a page that failed: set aside, tried in smaller pieces, or just waited for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from publisher.errors import (
    Interrupted,
    RecordRejected,
    TopicForbidden,
    TopicUnavailable,
    Unavailable,
)
from publisher.flight import Flight
from publisher.paging import PageSize
from publisher.ports import Row
from publisher.position import Position
from publisher.recall import Recall


class Failure(NamedTuple):
    """The page that failed, and why; `front` is the first that was on its way."""

    flight: Flight
    error: Unavailable
    front: Flight

    @classmethod
    def among(cls, flights: Sequence[Flight]) -> Failure:
        """The first one, or the one that counts where the client dropped all that it had because
        of a record in another."""
        front = flights[0]
        error = front.delivery.error
        assert error is not None  # noqa: S101  # it is why this is asked
        if isinstance(error, Interrupted):
            for flight in flights:
                flight.acknowledged = flight.delivery.settle(0.0)
                why = flight.delivery.error
                if why is not None and not isinstance(why, Interrupted):
                    return cls(flight, why, front)
        return cls(front, error, front)


class Setbacks:
    """Decides, once nothing is on its way any more, what is different at the next try.

    A row that is refused alone is set aside with its key, a topic that takes nothing as a whole.
    What fails twice at the same row is tried alone too, whatever the error.
    """

    def __init__(self, *, recall: Recall, size: PageSize, atomic: bool) -> None:
        self._recall, self._size, self._atomic = recall, size, atomic
        self._failed: int | None = None

    def judge(self, failure: Failure, position: Position) -> None:
        """The relay stands at the position. Raises the error where it has to be waited for."""
        flight, error, front = failure
        rows = flight.waiting
        if flight.retry is not None and flight.acknowledged:
            flight.retry.arrived(flight.acknowledged, flight.page.rows[flight.acknowledged - 1].id)
        if isinstance(error, RecordRejected) and len(flight.page.rows) == 1:
            self._park(flight, rows[0], error, position)
            return
        if isinstance(error, TopicForbidden):
            self._hold(flight, rows, error, position)
            return
        if flight is not front and isinstance(error, RecordRejected):
            self._step_over(front.waiting[0], flight, error, position)
        elif rows and not isinstance(error, Interrupted):
            self._narrow(flight, rows, error)
        raise error

    def _park(self, flight: Flight, row: Row, error: RecordRejected, position: Position) -> None:
        if flight.retry is None:
            self._recall.set_aside(row, str(error), position, whole_topic=False)
        else:
            self._recall.refused(flight.retry, row, str(error))

    def _hold(
        self, flight: Flight, rows: Sequence[Row], error: TopicForbidden, position: Position
    ) -> None:
        """A topic that could be written as far as Kafka told, and cannot: asked again, it would
        tell the same."""
        if flight.retry is not None:
            self._recall.forbidden(flight.retry, str(error))
            return
        row = next(row for row in rows if row.topic == error.topic)
        self._recall.set_aside(row, str(error), position, whole_topic=True)

    def _step_over(
        self, waiting: Row, flight: Flight, error: RecordRejected, position: Position
    ) -> None:
        """A record is refused behind one that waits. Row by row, all others would wait behind that
        one: where it comes again, the topic is held, and its retry finds the record."""
        failed, self._failed = self._failed, waiting.id
        if flight.retry is not None:
            flight.retry.narrow(error.upto)
        elif waiting.id == failed:
            row = next(row for row in flight.waiting if row.id >= error.first)
            self._recall.set_aside(row, str(error), position, whole_topic=True)

    def _narrow(self, flight: Flight, rows: Sequence[Row], error: Unavailable) -> None:
        row = rows[0].id
        failed, self._failed = self._failed, row
        first = upto = row
        if isinstance(error, RecordRejected):
            first, upto = error.first, error.upto
        elif row != failed and not isinstance(error, TopicUnavailable):
            return
        if flight.retry is not None:
            flight.retry.narrow(upto)
        else:
            self._size.narrow(rows, first, upto, atomic=self._atomic)
