"""Domain events."""

from decimal import Decimal

import outbox


class OrderPlaced(
    outbox.Event, type="test.order.placed", version=1, topic="test.order-events", key="order_id"
):
    order_id: int
    total: Decimal


class Said(outbox.Event, type="test.said", topic="test.said", key="who"):
    who: str
    what: str = ""
