"""A page on its way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from publisher.ports import Delivery, Limits, Row
from publisher.retry import Retry
from publisher.window import Page

MOST = 32
"""Pages on their way, however small they are."""


@dataclass(slots=True)
class Flight:
    """What was handed over and is not yet acknowledged whole; `retry` where it was set aside."""

    page: Page
    delivery: Delivery
    sent_at: float
    retry: Retry | None = None
    acknowledged: int = 0

    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.bytes = sum(len(row.value) for row in self.page.rows if row.value is not None)

    @property
    def waiting(self) -> Sequence[Row]:
        """Its rows behind those that are acknowledged."""
        return self.page.rows[self.acknowledged :]

    @property
    def landed(self) -> bool:
        return self.delivery.arrived


def less_than(flights: Collection[Flight], limits: Limits, *, pages: int) -> bool:
    """Whether all of these are less than so many pages, so that another one may follow them.

    Many small pages may be on their way: what has just been committed waits for none of them.
    """
    rows = sum(len(flight.page.rows) - flight.acknowledged for flight in flights)
    size = sum(flight.bytes for flight in flights)
    return rows < pages * limits.rows and size < pages * limits.bytes and len(flights) < MOST


class Nothing:
    """The delivery of a page of which nothing had to be sent."""

    stopped = False
    arrived = True
    error = None

    def settle(self, timeout: float) -> int:
        return 0
