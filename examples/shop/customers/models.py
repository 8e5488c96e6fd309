from django.contrib.auth.models import User
from django.db import models

import outbox


@outbox.capture(topic="shop.customers")
class Customer(models.Model):
    name = models.CharField(max_length=100)
    country = models.CharField(max_length=2)


outbox.capture(
    topic="shop.users",
    exclude=["last_login"],
    sensitive={"password": "drop", "email": "hash"},
    skip_unchanged=True,
)(User)
