from django.db import models

import outbox
from examples.shop.customers.models import Customer


class Status(models.TextChoices):
    PLACED = "placed"
    PAID = "paid"


@outbox.capture(topic="shop.labels", key="name")
class Label(models.Model):
    name = models.CharField(max_length=30, unique=True)


@outbox.capture(topic="shop.orders", exclude=["internal_note"])
class Order(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE)
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    status = models.CharField(max_length=10, choices=Status, default=Status.PLACED)
    text = models.TextField(default="", blank=True)
    internal_note = models.TextField(default="", blank=True)
    placed_at = models.DateTimeField(auto_now_add=True)
    labels = models.ManyToManyField(Label, related_name="orders", blank=True)


outbox.capture_links(Order.labels, topic="shop.order-label-links")
