"""`outbox.testing` in every kind of test that Django and pytest-django have."""

import contextlib

import pytest
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase
from django.test.utils import CaptureQueriesContext

import outbox
from outbox.testing import assert_recorded, captured_events
from tests.app.events import Said
from tests.app.models import Order
from tests.stored import stored


def use_the_kit() -> None:
    with (
        captured_events() as events,
        assert_recorded(Said, count=1, what="a") as said,
        assert_recorded(Order, count=1, op="create", number="1"),
    ):
        Order.objects.create(number="1")
        with transaction.atomic():
            outbox.record(Said(who="me", what="a"))
        with contextlib.suppress(LookupError), transaction.atomic():
            outbox.record(Said(who="me", what="b"))
            raise LookupError
    assert [each.type for each in events] == ["testapp.order", "test.said"]
    assert said == [events[1].event]


class InATestCase(TestCase):
    def test_a_test_case_sees_what_was_recorded_though_nothing_is_committed(self) -> None:
        use_the_kit()
        assert stored() == []

    def test_a_test_case_counts_the_queries_of_the_write_alone(self) -> None:
        with self.assertNumQueries(1):
            Order.objects.create(number="1")
        with self.assertNumQueries(1):
            Order.objects.bulk_create([Order(number="2") for _ in range(1_001)])


class InATransactionTestCase(TransactionTestCase):
    def test_a_transaction_test_case_sees_what_was_recorded_and_committed(self) -> None:
        use_the_kit()
        assert len(stored()) == 2

    def test_a_transaction_test_case_counts_the_insert_beside_the_commit(self) -> None:
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            Order.objects.create(number="1")
        kinds = [query["sql"].split()[0] for query in queries]
        assert kinds == ["BEGIN", "INSERT", "INSERT", "COMMIT"]


@pytest.mark.usefixtures("db")
def test_the_fixture_db_sees_what_was_recorded_though_nothing_is_committed() -> None:
    use_the_kit()
    assert stored() == []


@pytest.mark.usefixtures("transactional_db")
def test_the_fixture_transactional_db_sees_what_was_recorded_and_committed() -> None:
    use_the_kit()
    assert len(stored()) == 2
