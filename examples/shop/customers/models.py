from django.db import models

import outbox


@outbox.capture(topic="shop.customers")
class Customer(models.Model):
    name = models.CharField(max_length=100)
    country = models.CharField(max_length=2)
