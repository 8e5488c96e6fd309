"""What the signals of orders become."""

from collections.abc import Collection, Iterator
from decimal import Decimal

from django.db.models.signals import m2m_changed

import outbox
from examples.shop.orders.events import OrderLabelled, ParcelScanned, PaymentReceived
from examples.shop.orders.models import Label, Order
from examples.shop.orders.signals import parcel_scanned, payment_received


@outbox.receiver(payment_received, sender=Order)
def received(order: Order, amount: Decimal, **kwargs: object) -> PaymentReceived:
    return PaymentReceived(order_id=order.pk, amount=amount)


@outbox.receiver(parcel_scanned, sender=Order)
def moved(order: Order, place: str, **kwargs: object) -> ParcelScanned:
    return ParcelScanned(order_id=order.pk, place=place)


@outbox.receiver(m2m_changed, sender=Order.labels.through)
def labelled(
    instance: Order | Label, action: str, pk_set: Collection[int] | None, **kwargs: object
) -> Iterator[OrderLabelled]:
    if action == "pre_clear":  # afterwards nobody knows what was there
        pk_set = _linked(instance)
    elif action not in ("post_add", "post_remove"):
        return
    for pk in sorted(pk_set or ()):
        order, label = (instance.pk, pk) if isinstance(instance, Order) else (pk, instance.pk)
        yield OrderLabelled(order_id=order, label_id=label, attached=action == "post_add")


def _linked(instance: Order | Label) -> Collection[int]:
    if isinstance(instance, Order):
        return set(instance.labels.values_list("pk", flat=True))
    return set(instance.orders.values_list("pk", flat=True))
