"""What the shop makes of each of Django's signals, asked with Django's own test client.

Run by the shop's settings in a process of its own, as test_shop.py does.
"""

from decimal import Decimal
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import TestCase, TransactionTestCase

from examples.shop.customers.events import (
    CustomerCorrected,
    CustomerLeaving,
    CustomerLeft,
    CustomerMoved,
    CustomerRegistered,
    PasswordChanged,
    UserLoggedIn,
    UserLoggedOut,
)
from examples.shop.customers.models import Customer
from examples.shop.customers.receivers import saved
from examples.shop.orders.events import OrderLabelled, ParcelScanned, PaymentReceived
from examples.shop.orders.models import Label, Order
from examples.shop.orders.parcels import scanned, scanned_by_stream
from examples.shop.orders.signals import parcel_scanned, payment_received
from outbox.testing import assert_recorded, captured_events
from schemas import Event

JSON = "application/json"


def of_topic(events: list[Any], topic: str) -> list[Event]:
    return [each.event for each in events if each.topic == topic and not each.is_tombstone]


class ModelSignals(TestCase):
    def register(self, country: str = "CH") -> Customer:
        answer = self.client.post(
            "/customers", {"name": "Zoë", "country": country}, content_type=JSON
        )
        return Customer.objects.get(pk=answer.json()["id"])

    def correct(self, customer: Customer, **fields: str) -> None:
        wish = {"name": "Zoë", "country": "CH", **fields}
        self.client.put(f"/customers/{customer.pk}", wish, content_type=JSON)

    def test_post_save_tells_a_row_that_was_created_from_one_that_was_updated(self) -> None:
        with captured_events() as events:
            customer = self.register()
            self.correct(customer, name="Zoé")
        assert of_topic(events, "shop.customer-events") == [
            CustomerRegistered(customer_id=customer.pk, country="CH"),
            CustomerCorrected(customer_id=customer.pk),
        ]

    def test_pre_save_knows_the_row_before(self) -> None:
        customer = self.register()
        with captured_events() as events:
            self.correct(customer, country="LI")
        assert of_topic(events, "shop.customer-events") == [
            CustomerMoved(customer_id=customer.pk, before="CH", after="LI"),
            CustomerCorrected(customer_id=customer.pk),
        ]

    def test_what_pre_save_changes_is_stored_and_recorded(self) -> None:
        with assert_recorded(Customer, op="create", country="LI"):
            customer = self.register(country="li")
        assert customer.country == "LI"

    def test_pre_delete_counts_what_goes_along_and_post_delete_is_the_end(self) -> None:
        customer = self.register()
        for _ in range(2):
            Order.objects.create(customer=customer, total=1, currency="CHF")
        key = customer.pk
        with captured_events() as events:
            self.client.delete(f"/customers/{key}")
        assert of_topic(events, "shop.customer-events") == [
            CustomerLeaving(customer_id=key, orders=2),
            CustomerLeft(customer_id=key),
        ]
        assert not Order.objects.exists()

    def test_a_receiver_is_disconnected_and_connected_by_django_itself(self) -> None:
        assert post_save.disconnect(saved, sender=Customer)
        try:
            with assert_recorded(CustomerRegistered, count=0):
                self.register()
        finally:
            post_save.connect(saved, sender=Customer)
        with assert_recorded(CustomerRegistered, count=1):
            self.register()


class Labels(TestCase):
    def setUp(self) -> None:
        customer = Customer.objects.create(name="Zoë", country="CH")
        self.order = Order.objects.create(customer=customer, total=1, currency="CHF")
        self.gift, self.fragile = (Label.objects.create(name=name) for name in ("gift", "fragile"))

    def told(self, events: list[Any]) -> list[tuple[int, bool]]:
        found = of_topic(events, "shop.order-events")
        labelled = [each for each in found if isinstance(each, OrderLabelled)]
        assert {each.order_id for each in labelled} <= {self.order.pk}
        return [(each.label_id, each.attached) for each in labelled]

    def test_set_over_http_takes_some_labels_away_and_adds_others(self) -> None:
        self.order.labels.add(self.gift)
        with captured_events() as events:
            url = f"/orders/{self.order.pk}/labels"
            self.client.put(url, {"labels": ["fragile"]}, content_type=JSON)
        assert self.told(events) == [(self.gift.pk, False), (self.fragile.pk, True)]

    def test_add_remove_and_clear_are_heard_from_the_order(self) -> None:
        with captured_events() as events:
            self.order.labels.add(self.gift, self.fragile)
            self.order.labels.remove(self.gift)
            self.order.labels.clear()
        gift, fragile = self.gift.pk, self.fragile.pk
        assert self.told(events) == [(gift, True), (fragile, True), (gift, False), (fragile, False)]

    def test_add_remove_set_and_clear_are_heard_from_the_label(self) -> None:
        with captured_events() as events:
            self.gift.orders.add(self.order)
            self.gift.orders.remove(self.order)
            self.gift.orders.set([self.order])
            self.client.delete("/labels/gift")
        assert [attached for _, attached in self.told(events)] == [True, False, True, False]

    def test_captured_links_tell_the_same_and_of_writes_without_a_signal(self) -> None:
        through = Order.labels.through
        with assert_recorded(Order.labels, op="add", count=1) as found:
            through.objects.bulk_create(
                [
                    through(order=self.order, label=self.gift),
                    through(order=self.order, label=self.fragile),
                ]
            )
        added = found[0].model_dump()
        ids = (self.gift.pk, self.fragile.pk)
        assert added == {"op": "add", "owner": self.order.pk, "ids": ids}
        with (
            assert_recorded(Order.labels, op="remove", owner=self.order.pk, ids=ids),
            assert_recorded(OrderLabelled, count=0),
        ):
            through.objects.all().delete()


class CustomSignals(TransactionTestCase):
    def setUp(self) -> None:
        customer = Customer.objects.create(name="Zoë", country="CH")
        self.order = Order.objects.create(customer=customer, total=1, currency="CHF")

    def test_send_records_what_the_receiver_returns(self) -> None:
        with assert_recorded(PaymentReceived, count=1, order_id=self.order.pk):
            payment_received.send(sender=Order, order=self.order, amount=Decimal("9.90"))

    def test_send_robust_records_although_another_receiver_fails(self) -> None:
        def fail(**kwargs: object) -> None:
            raise ConnectionError("the display is off")

        parcel_scanned.connect(fail)
        try:
            with assert_recorded(ParcelScanned, count=1, place="Basel"):
                failures = scanned(self.order, "Basel")
        finally:
            parcel_scanned.disconnect(fail)
        assert [type(each) for each in failures] == [ConnectionError]

    def test_a_recording_that_fails_is_reported_by_send_robust_and_stored_nowhere(self) -> None:
        with captured_events() as events:
            (failure,) = scanned(self.order, place=None)  # type: ignore[arg-type]
        assert "place" in str(failure)
        assert events == []

    def test_a_scan_over_http_is_recorded(self) -> None:
        url = f"/orders/{self.order.pk}/parcels"
        with assert_recorded(ParcelScanned, count=1, order_id=self.order.pk):
            answer = self.client.post(url, {"place": "Basel"}, content_type=JSON)
        assert answer.json() == {"id": self.order.pk, "failures": 0}

    def test_asend_records_too(self) -> None:
        with assert_recorded(ParcelScanned, count=1, place="Chur"):
            async_to_sync(scanned_by_stream)(self.order, "Chur")

    def test_signals_of_other_senders_are_not_received(self) -> None:
        with assert_recorded(ParcelScanned, count=0):
            parcel_scanned.send(sender=Signal, order=self.order, place="Basel")


class Sessions(TestCase):
    def test_who_comes_in_and_goes_is_told(self) -> None:
        get_user_model().objects.create_user("clerk", password="first-Secret-7")
        with captured_events() as events:
            for path, wish in (
                ("/login", {"username": "clerk", "password": "first-Secret-7"}),
                ("/password", {"old": "first-Secret-7", "new": "second-Secret-8"}),
                ("/logout", {}),
                ("/logout", {}),
            ):
                assert self.client.post(path, wish, content_type=JSON).status_code in (200, 204)
        assert of_topic(events, "shop.auth-events") == [
            UserLoggedIn(username="clerk"),
            PasswordChanged(username="clerk"),
            UserLoggedOut(username="clerk"),
        ]

    def test_a_password_is_changed_by_those_only_who_know_it(self) -> None:
        wish = {"old": "no", "new": "second-Secret-8"}
        answer = self.client.post("/password", wish, content_type=JSON)
        assert answer.status_code == 401
        user = get_user_model().objects.create_user("clerk", password="first-Secret-7")
        self.client.force_login(user)
        with assert_recorded(PasswordChanged, count=0):
            answer = self.client.post("/password", wish, content_type=JSON)
        assert answer.status_code == 400
