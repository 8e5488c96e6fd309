from decimal import Decimal
from typing import Annotated

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from pydantic import BaseModel, Field

import outbox
from examples.shop.customers.models import Customer
from examples.shop.orders.events import OrderPlaced
from examples.shop.orders.models import Label, Order, Status
from examples.shop.orders.parcels import scanned
from examples.shop.orders.signals import payment_received
from examples.shop.requests import body, json_view

Amount = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]


class Placement(BaseModel):
    customer: int
    total: Amount
    currency: str = Field(pattern="^[A-Z]{3}$")
    text: str = ""


class Alteration(BaseModel):
    total: Amount
    text: str = ""


class Labelling(BaseModel):
    labels: list[Annotated[str, Field(min_length=1, max_length=30)]]


class Payment(BaseModel):
    amount: Amount


class Scan(BaseModel):
    place: str


@json_view("POST")
def place(request: HttpRequest) -> JsonResponse:
    wish = body(request, Placement)
    customer = get_object_or_404(Customer, pk=wish.customer)
    order = Order.objects.create(
        customer=customer, total=wish.total, currency=wish.currency, text=wish.text
    )
    outbox.record(
        OrderPlaced(
            order_id=order.pk,
            customer_id=customer.pk,
            total=order.total,
            currency=order.currency,
        )
    )
    return JsonResponse({"id": order.pk}, status=201)


@json_view("PATCH", "DELETE")
def one(request: HttpRequest, order_id: int) -> HttpResponseBase:
    order = _locked(order_id)
    if request.method == "DELETE":
        order.delete()
        return HttpResponse(status=204)
    wish = body(request, Alteration)
    order.total, order.text = wish.total, wish.text
    order.save()
    return JsonResponse({"id": order.pk})


@json_view("PUT")
def label(request: HttpRequest, order_id: int) -> JsonResponse:
    order = _locked(order_id)
    names = body(request, Labelling).labels
    order.labels.set([Label.objects.get_or_create(name=name)[0] for name in names])
    return JsonResponse({"id": order.pk})


@json_view("DELETE")
def forget_label(request: HttpRequest, name: str) -> HttpResponse:
    label = get_object_or_404(Label, name=name)
    label.orders.clear()
    label.delete()
    return HttpResponse(status=204)


@json_view("POST")
def scan(request: HttpRequest, order_id: int) -> JsonResponse:
    failures = scanned(_locked(order_id), body(request, Scan).place)
    return JsonResponse({"id": order_id, "failures": len(failures)})


@json_view("POST")
def pay(request: HttpRequest, order_id: int) -> JsonResponse:
    payment = body(request, Payment)
    order = _locked(order_id)
    order.status = Status.PAID
    order.save()
    payment_received.send(sender=Order, order=order, amount=payment.amount)
    return JsonResponse({"id": order.pk, "status": order.status})


def _locked(order_id: int) -> Order:
    """The order, locked until the request ends: its events come in the order of its changes."""
    return get_object_or_404(Order.objects.select_for_update(), pk=order_id)
