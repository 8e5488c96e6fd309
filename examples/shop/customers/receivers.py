"""What the signals of customers and of Django's auth become."""

from collections.abc import Mapping

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

import outbox
from examples.shop.customers.events import (
    CustomerCorrected,
    CustomerLeaving,
    CustomerLeft,
    CustomerMoved,
    CustomerRegistered,
    LoginFailed,
    UserLoggedIn,
    UserLoggedOut,
)
from examples.shop.customers.models import Customer

UNKNOWN = "unknown"


@outbox.receiver(pre_save, sender=Customer)
def moved(instance: Customer, **kwargs: object) -> CustomerMoved | None:
    instance.country = instance.country.upper()  # the change travels too, as it is stored
    before = Customer.objects.filter(pk=instance.pk).values_list("country", flat=True).first()
    if before in (None, instance.country):
        return None
    return CustomerMoved(customer_id=instance.pk, before=before, after=instance.country)


@outbox.receiver(post_save, sender=Customer)
def saved(
    instance: Customer, created: bool, **kwargs: object
) -> CustomerRegistered | CustomerCorrected:
    if created:
        return CustomerRegistered(customer_id=instance.pk, country=instance.country)
    return CustomerCorrected(customer_id=instance.pk)


@outbox.receiver(pre_delete, sender="customers.Customer")
def leaving(instance: Customer, **kwargs: object) -> CustomerLeaving:
    # Afterwards the orders are gone as well.
    return CustomerLeaving(customer_id=instance.pk, orders=instance.order_set.count())


@outbox.receiver(post_delete, sender="customers.Customer", dispatch_uid="customers.left")
def left(instance: Customer, **kwargs: object) -> CustomerLeft:
    return CustomerLeft(customer_id=instance.pk)


@outbox.receiver([user_logged_in, user_logged_out])
def came_or_went(
    signal: object, user: AbstractBaseUser | None, **kwargs: object
) -> UserLoggedIn | UserLoggedOut | None:
    if user is None:  # who logs out may not have been logged in
        return None
    event = UserLoggedIn if signal is user_logged_in else UserLoggedOut
    return event(username=user.get_username())


@outbox.receiver(user_login_failed)
def login_failed(credentials: Mapping[str, object], **kwargs: object) -> LoginFailed:
    typed = str(credentials.get("username", ""))
    known = get_user_model()._default_manager.filter(username=typed).exists()
    return LoginFailed(username=typed if known else UNKNOWN)
