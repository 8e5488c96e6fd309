"""The lines that users write: checked by mypy strict and pyright, never run."""

from decimal import Decimal
from typing import Any, assert_type

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.db import models, transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal
from pydantic import BaseModel

import outbox
from outbox.testing import captured_events
from schemas import Change, Event


class OrderState(BaseModel):
    number: str
    total: Decimal


@outbox.capture(topic="shop.orders", exclude=["internal_note"])
class Order(models.Model):
    number = models.CharField(max_length=20)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    internal_note = models.TextField(default="")


@outbox.capture(
    topic="shop.refunds", type="shop.refund", version=2, key="number", contract=OrderState
)
class Refund(models.Model):
    number = models.CharField(max_length=20, unique=True)
    total = models.DecimalField(max_digits=10, decimal_places=2)


class Label(models.Model):
    orders: "models.ManyToManyField[Order, Any]" = models.ManyToManyField(Order)


outbox.capture(topic="shop.users", fields=["username"], via="trigger")(User)
outbox.capture_links(Label.orders, topic="shop.label-orders", type="shop.label.orders", version=2)


class OrderPlaced(
    outbox.Event, type="shop.order.placed", version=1, topic="shop.order-events", key="order_id"
):
    order_id: int
    total: Decimal


class LoggedIn(
    outbox.Event, type="shop.logged-in", topic="shop.logins", key="user_id", extra="forbid"
):
    user_id: int


payment_received = Signal()


@outbox.receiver(post_save, sender=Order)
def order_placed(
    sender: type[Order], instance: Order, created: bool, **kwargs: object
) -> OrderPlaced | None:
    if not created:
        return None
    return OrderPlaced(order_id=instance.pk, total=instance.total)


@outbox.receiver([post_save, post_delete], sender="shop.Order", dispatch_uid="orders")
def order_touched(sender: type[Order], instance: Order, **kwargs: object) -> list[OrderPlaced]:
    return [OrderPlaced(order_id=instance.pk, total=instance.total)]


@outbox.receiver(user_logged_in)
def logged_in(user: User, **kwargs: object) -> LoggedIn:
    return LoggedIn(user_id=user.pk)


@outbox.receiver(payment_received)
def paid(order: Order, **kwargs: object) -> None: ...


def place(order: Order) -> None:
    with transaction.atomic():
        order.save()
        outbox.record(OrderPlaced(order_id=order.pk, total=order.total))
    with outbox.suppress(Order, Refund), outbox.suppress():
        order.save()
    post_save.disconnect(order_placed, sender=Order)
    post_save.connect(order_placed, sender=Order)


def in_a_test() -> None:
    with captured_events() as events:
        place(Order(number="1", total=Decimal(1)))
    assert_type([each.topic for each in events], list[str])
    assert_type(events[0].event, Event | None)
    assert_type(events[0].value, bytes | None)
    match events[0].event:
        case OrderPlaced(order_id=order_id):
            assert_type(order_id, int)
        case Change(op=op):
            assert op in ("create", "update", "delete", "read")


assert_type(order_placed(Order, Order(), created=True), OrderPlaced | None)
assert_type(outbox.record(OrderPlaced(order_id=1, total=Decimal(1))), None)
