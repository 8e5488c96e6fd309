"""A page on its way."""

from __future__ import annotations

from dataclasses import dataclass

from publisher.ports import Delivery
from publisher.retry import Retry
from publisher.window import Page


@dataclass(slots=True)
class Flight:
    """What was handed over and is not yet acknowledged whole; `retry` where it was set aside."""

    page: Page
    delivery: Delivery
    sent_at: float
    retry: Retry | None = None
    acknowledged: int = 0

    @property
    def landed(self) -> bool:
        return self.delivery.arrived


class Nothing:
    """The delivery of a page of which nothing had to be sent."""

    stopped = False
    arrived = True
    error = None

    def settle(self, timeout: float) -> int:
        return 0
