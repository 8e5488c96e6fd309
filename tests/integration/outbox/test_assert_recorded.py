"""`outbox.testing.assert_recorded`, for the tests of users."""

from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase, TransactionTestCase

import outbox
from outbox.errors import InvalidCapture
from outbox.testing import assert_recorded
from tests.app.events import OrderPlaced, Said
from tests.app.models import Answer, Club, Counter, Line, Note, Order, UrgentOrder


def say(*words: str) -> None:
    with transaction.atomic():
        for word in words:
            outbox.record(Said(who="me", what=word))


class InATestCase(TestCase):
    def test_what_was_recorded_is_given(self) -> None:
        with assert_recorded(Said, count=2) as found:
            say("a", "b")
        assert found == [Said(who="me", what="a"), Said(who="me", what="b")]

    def test_it_adds_no_callback(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks, assert_recorded(Said):
            say("a")
        assert callbacks == []


class InATransactionTestCase(TransactionTestCase):
    def test_events_that_were_committed_count(self) -> None:
        with assert_recorded(Said, count=1, what="a"):
            say("a")


@pytest.mark.django_db
class TestFields:
    def test_only_events_with_these_values_count(self) -> None:
        with assert_recorded(Said, count=1, what="b", who="me"):
            say("a", "b", "c")

    def test_changes_of_a_model_are_told_by_operation_and_state(self) -> None:
        with assert_recorded(Order, op="create", number="1"), assert_recorded(Order, op="delete"):
            Order.objects.create(number="1").delete()
        with assert_recorded(UrgentOrder, count=1, op="create"):
            UrgentOrder.objects.create(number="1")

    def test_columns_that_are_called_as_something_that_an_event_has_are_found(self) -> None:
        order = Order.objects.create(number="1")
        with assert_recorded(Line, count=1, text="x"):
            Line.objects.create(order=order, text="x")
        with assert_recorded(Counter, count=1, state="old"):
            Counter.objects.create(state="old")
        with assert_recorded(Answer, count=1, copy="x"):
            Answer.objects.create(question=order, copy="x")

    def test_none_may_be_expected(self) -> None:
        with assert_recorded(Line, count=0):
            Order.objects.create(number="1")


@pytest.mark.django_db
class TestFailures:
    def test_the_message_says_what_there_was_instead(self) -> None:
        with pytest.raises(AssertionError) as caught, assert_recorded(Said, count=1, what="x"):
            say("a")
            Order.objects.create(number="1")
        text = str(caught.value)
        assert "expected 1 of Said(what='x'), recorded were 0" in text
        assert "Said(who='me', what='a')" in text
        assert "of all types: test.said, testapp.order" in text

    def test_nothing_at_all_is_said_too(self) -> None:
        with (
            pytest.raises(AssertionError, match=r"at least one of OrderPlaced.* none"),
            assert_recorded(OrderPlaced),
        ):
            pass

    @pytest.mark.parametrize("what", [Said, Order, Club.members])
    @pytest.mark.parametrize("name", ["nmber", "copy"])
    def test_a_field_that_does_not_exist_is_named_also_where_nothing_is_expected(
        self, what: Any, name: str
    ) -> None:
        words = rf"has no field '{name}'; choose from \w+, "
        with (
            pytest.raises(AssertionError, match=words),
            assert_recorded(what, count=0, **{name: 1}),
        ):
            pass

    @pytest.mark.parametrize("what", ["Order", int, Order(), None])
    def test_what_cannot_be_recorded_is_named_also_where_nothing_is_expected(
        self, what: Any
    ) -> None:
        words = r"is no class of events, model or many-to-many relation; pass one"
        with pytest.raises(InvalidCapture, match=words), assert_recorded(what, count=0):
            pass

    def test_what_was_rolled_back_does_not_count(self) -> None:
        with pytest.raises(AssertionError), assert_recorded(Said):
            sid = transaction.savepoint()
            say("a")
            transaction.savepoint_rollback(sid)

    def test_a_model_that_is_not_captured_is_named(self) -> None:
        with (
            pytest.raises(InvalidCapture, match=r"testapp\.Note is not captured"),
            assert_recorded(Note),
        ):
            pass

    def test_the_failure_of_the_block_itself_is_not_hidden(self) -> None:
        with pytest.raises(LookupError), assert_recorded(Said):
            raise LookupError
