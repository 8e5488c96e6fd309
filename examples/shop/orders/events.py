"""What happens to orders, in the words of the shop and not of its tables."""

from decimal import Decimal

import outbox


class OrderPlaced(
    outbox.Event, type="shop.order.placed", topic="shop.order-events", key="order_id"
):
    order_id: int
    customer_id: int
    total: Decimal
    currency: str


class OrderLabelled(
    outbox.Event, type="shop.order.labelled", topic="shop.order-events", key="order_id"
):
    order_id: int
    label_id: int
    attached: bool


class ParcelScanned(
    outbox.Event, type="shop.order.parcel-scanned", topic="shop.order-events", key="order_id"
):
    order_id: int
    place: str


class PaymentReceived(
    outbox.Event, type="shop.order.payment-received", topic="shop.order-events", key="order_id"
):
    order_id: int
    amount: Decimal
