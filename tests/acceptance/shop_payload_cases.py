"""What the events of the shop say, and what they cost, asked with Django's own means.

Run by the shop's settings in a process of its own, as test_shop.py does.
"""

import json
from decimal import Decimal
from unittest.mock import patch

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import F
from django.test import TestCase, TransactionTestCase
from django.test.utils import CaptureQueriesContext

import outbox
from examples.shop.customers.models import Customer
from examples.shop.orders.events import OrderPlaced
from examples.shop.orders.models import Order
from outbox.testing import assert_recorded, captured_events
from schemas import Change

JSON = "application/json"
User = get_user_model()


class Payloads(TestCase):
    def test_a_user_travels_without_password_and_with_a_hash_of_the_address(self) -> None:
        with captured_events() as events:
            User.objects.create_user("clerk", "clerk@example.org", "a-Secret-7")
        (event,) = events
        after = json.loads(event.value or b"")["after"]
        assert "password" not in after
        assert "last_login" not in after
        assert len(after["email"]) == 64

    def test_a_save_that_changes_nothing_of_the_state_is_no_event(self) -> None:
        user = User.objects.create_user("clerk", password="a-Secret-7")
        with captured_events() as events:
            user.set_password("another-Secret-8")
            user.save()
        assert events == []

    def test_the_payload_is_what_the_database_made_of_the_expression(self) -> None:
        customer = Customer.objects.create(name="Zoë", country="CH")
        order = Order.objects.create(customer=customer, total=1, currency="CHF")
        with assert_recorded(Order, op="update", total=2, changed=("total",)):
            order.total = F("total") + 1
            order.save(update_fields=["total"])


class Bulks(TestCase):
    def setUp(self) -> None:
        self.customer = Customer.objects.create(name="Zoë", country="CH")

    def orders(self, count: int) -> list[Order]:
        return [Order(customer=self.customer, total=1, currency="CHF") for _ in range(count)]

    def test_bulks_are_an_event_for_each_row_and_no_statement_more(self) -> None:
        with CaptureQueriesContext(connection) as queries, captured_events() as events:
            Order.objects.bulk_create(self.orders(100))
            Order.objects.filter(currency="CHF").update(total=F("total") + 1)
            Order.objects.filter(currency="CHF").delete()
        changes = [each.event for each in events if isinstance(each.event, Change)]
        operations = [each.op for each in changes]
        assert operations == ["create"] * 100 + ["update"] * 100 + ["delete"] * 100
        kinds = [query["sql"].split()[0] for query in queries]
        assert [kind for kind in kinds if kind in ("INSERT", "UPDATE")] == ["INSERT", "UPDATE"]

    def test_a_bulk_can_be_written_without_events(self) -> None:
        with captured_events() as events, outbox.suppress(Order):
            Order.objects.bulk_create(self.orders(100))
        assert events == []


class Contexts(TestCase):
    def test_events_of_a_request_say_by_whom_and_in_which_request(self) -> None:
        self.client.force_login(user := User.objects.create_user("clerk"))
        with captured_events() as events:
            self.client.post(
                "/customers",
                {"name": "Zoë", "country": "CH"},
                content_type=JSON,
                headers={"X-Request-ID": "r-1", "X-Correlation-ID": "c-1"},
            )
        for event in events:
            assert event.extensions == {
                "actor": str(user.pk),
                "requestid": "r-1",
                "correlationid": "c-1",
            }

    def test_a_block_says_what_its_events_belong_to(self) -> None:
        with (
            captured_events() as events,
            outbox.context(actor="import", correlation_id="file-7"),
        ):
            Customer.objects.create(name="Zoë", country="CH")
        for event in events:
            assert event.extensions == {"actor": "import", "correlationid": "file-7"}


class Transactions(TransactionTestCase):
    def test_an_event_outside_a_transaction_is_refused(self) -> None:
        event = OrderPlaced(order_id=1, customer_id=1, total=Decimal(1), currency="CHF")
        with self.assertRaises(outbox.OutboxError):  # noqa: PT027 - not run by pytest
            outbox.record(event)
        with assert_recorded(OrderPlaced, count=1), transaction.atomic():
            outbox.record(event)

    def test_a_customer_that_is_rolled_back_is_no_event(self) -> None:
        with (
            captured_events() as events,
            patch("examples.shop.customers.views.JsonResponse", side_effect=RuntimeError),
        ):
            self.client.raise_request_exception = False
            self.client.post("/customers", {"name": "Z", "country": "CH"}, content_type=JSON)
        assert events == []
