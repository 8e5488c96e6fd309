"""What the signals of orders become."""

from decimal import Decimal

import outbox
from examples.shop.orders.events import PaymentReceived
from examples.shop.orders.models import Order
from examples.shop.orders.signals import payment_received


@outbox.receiver(payment_received, sender=Order)
def received(order: Order, amount: Decimal, **kwargs: object) -> PaymentReceived:
    return PaymentReceived(order_id=order.pk, amount=amount)
