"""What the shop records, asked with Django's own test client.

Run by the shop's settings in a process of its own, as test_shop.py does.
"""

import json
from decimal import Decimal
from io import StringIO
from unittest.mock import patch

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import TestCase, TransactionTestCase

from examples.shop.customers.events import LoginFailed, UserLoggedIn
from examples.shop.customers.models import Customer
from examples.shop.orders.events import OrderPlaced, PaymentReceived
from examples.shop.orders.models import Order
from examples.shop.reference import dataset
from examples.shop.reference.models import Country, Currency
from outbox.testing import captured_events

JSON = "application/json"
PASSWORD = "Tr0ub4dor-und-drei"
WRONG = "Pa55wort-vertippt"


def stored() -> bytes:
    """Every byte that the outbox holds and that goes to Kafka."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key || coalesce(value, '') || coalesce(headers, '') FROM outbox_event"
        )
        return b"\n".join(bytes(row[0]) for row in cursor.fetchall())


class OrdersOverHttp(TestCase):
    def setUp(self) -> None:
        self.customer = Customer.objects.create(name="Zoë", country="CH")

    def place(self) -> int:
        wish = {"customer": self.customer.pk, "total": "9.90", "currency": "CHF", "text": "№ 1"}
        answer = self.client.post("/orders", wish, content_type=JSON)
        assert answer.status_code == 201
        return int(answer.json()["id"])

    def test_a_placed_order_is_a_row_and_a_domain_event(self) -> None:
        with captured_events() as events:
            order = self.place()
        assert [each.type for each in events] == ["orders.order", "shop.order.placed"]
        assert [each.topic for each in events] == ["shop.orders", "shop.order-events"]
        placed = OrderPlaced(
            order_id=order, customer_id=self.customer.pk, total=Decimal("9.90"), currency="CHF"
        )
        assert events[1].event == placed

    def test_a_note_for_the_staff_does_not_travel(self) -> None:
        with captured_events() as events:
            Order.objects.create(
                customer=self.customer, total=1, currency="CHF", internal_note="late payer"
            )
        assert b"late payer" not in (events[0].value or b"")

    def test_a_payment_becomes_an_event_through_the_signal(self) -> None:
        order = self.place()
        with captured_events() as events:
            self.client.post(f"/orders/{order}/payments", {"amount": "9.90"}, content_type=JSON)
        assert [each.event for each in events][1:] == [
            PaymentReceived(order_id=order, amount=Decimal("9.90"))
        ]

    def test_a_change_is_an_update(self) -> None:
        order = self.place()
        with captured_events() as events:
            self.client.patch(f"/orders/{order}", {"total": "3.00"}, content_type=JSON)
        assert b'"op":"update"' in (events[0].value or b"")

    def test_a_deletion_is_followed_by_its_tombstone(self) -> None:
        order = self.place()
        with captured_events() as events:
            assert self.client.delete(f"/orders/{order}").status_code == 204
        assert [each.is_tombstone for each in events] == [False, True]

    def test_a_request_that_does_not_fit_records_nothing(self) -> None:
        with captured_events() as events:
            answer = self.client.post("/orders", {"total": "-1"}, content_type=JSON)
        assert (answer.status_code, events) == (400, [])


class RequestsThatFail(TransactionTestCase):
    def test_an_order_that_is_rolled_back_leaves_no_event(self) -> None:
        customer = Customer.objects.create(name="Zoë", country="CH")
        wish = {"customer": customer.pk, "total": "9.90", "currency": "CHF"}
        self.client.raise_request_exception = False
        with patch("examples.shop.orders.views.JsonResponse", side_effect=RuntimeError):
            answer = self.client.post("/orders", wish, content_type=JSON)
        assert answer.status_code == 500
        assert not Order.objects.exists()
        assert b"total" not in stored()


class Logins(TransactionTestCase):
    def setUp(self) -> None:
        get_user_model().objects.create_user("clerk", password=PASSWORD)

    def log_in(self, username: str, password: str) -> int:
        credentials = {"username": username, "password": password}
        return self.client.post("/login", credentials, content_type=JSON).status_code

    def test_logins_are_recorded_and_no_password_ever_is(self) -> None:
        with captured_events() as events:
            assert self.log_in("clerk", WRONG) == 401
            assert self.log_in(PASSWORD, PASSWORD) == 401
            assert self.log_in("clerk", PASSWORD) == 200
        assert [each.event for each in events] == [
            LoginFailed(username="clerk"),
            LoginFailed(username="unknown"),
            UserLoggedIn(username="clerk"),
        ]
        found = stored()
        assert b"clerk" in found
        for secret in (PASSWORD, WRONG, "Tr0ub4dor", "Pa55wort"):
            assert secret.encode() not in found


class Coverage(TestCase):
    def test_every_model_of_the_shop_is_captured_and_seen(self) -> None:
        out = StringIO()
        call_command("outbox_models", "--format", "json", stdout=out)
        ours = ("customers.", "orders.", "reference.")
        models = [each for each in json.loads(out.getvalue()) if each["model"].startswith(ours)]
        assert [each["model"] for each in models if not (each["capture"] or each["links"])] == []
        assert [each["model"] for each in models if each["unseen"]] == []


class ReferenceData(TestCase):
    def test_it_is_loaded_once_and_recorded_once(self) -> None:
        few = [*dataset.rows()[:3], *dataset.rows()[-2:]]
        load = "examples.shop.reference.management.commands.load_reference.rows"
        with patch(load, return_value=few), captured_events() as events:
            call_command("load_reference", stdout=StringIO())
            call_command("load_reference", stdout=StringIO())
        assert (Country.objects.count(), Currency.objects.count()) == (3, 2)
        assert {each.topic for each in events} == {"shop.countries", "shop.currencies"}
        assert len(events) == 5

    def test_the_data_set_is_the_whole_of_the_standards(self) -> None:
        rows = dataset.rows()
        assert len(rows) > 13000
        assert any(not str(getattr(row, "name", "")).isascii() for row in rows)
