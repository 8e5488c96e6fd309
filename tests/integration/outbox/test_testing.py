"""`outbox.testing.captured_events`, for the tests of users."""

import contextlib

import pytest
from django.db import connection, transaction
from django.test import TestCase

import outbox
from outbox.testing import captured_events
from schemas import Change
from schemas.errors import Undecodable
from tests.app.events import Said
from tests.app.models import Order
from tests.stored import said, stored


def say(*words: str) -> None:
    for word in words:
        outbox.record(Said(who="me", what=word))


def words(events: list[outbox.Event | None]) -> list[str]:
    return [event.what for event in events if isinstance(event, Said)]


class InATestCase(TestCase):
    """A TestCase never commits."""

    @classmethod
    def setUpTestData(cls) -> None:
        Order.objects.create(number="from the class")

    def test_events_are_seen_though_nothing_commits(self) -> None:
        with captured_events() as events:
            order = Order.objects.create(number="1")
            order.delete()
            say("a")
        assert [each.topic for each in events][:1] == ["test.orders"]
        assert [each.is_tombstone for each in events] == [False, False, True, False]
        created = events[0].event
        assert isinstance(created, Change)
        assert created.after is not None
        assert created.after.number == "1"
        assert events[2].event is None
        assert stored() == []

    def test_no_callback_is_added_to_those_of_the_test(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks, captured_events() as events:
            Order.objects.create(number="1")
        assert (callbacks, len(events)) == ([], 1)

    def test_events_of_a_failed_block_are_not_seen(self) -> None:
        with captured_events() as events:
            say("a")
            try:
                with transaction.atomic():
                    say("b")
                    raise LookupError
            except LookupError:
                say("c")
        assert words([each.event for each in events]) == ["a", "c"]

    def test_only_what_the_block_records_is_seen(self) -> None:
        say("before")
        with captured_events() as outer:
            say("a")
            with captured_events() as inner:
                say("b")
        say("after")
        assert words([each.event for each in inner]) == ["b"]
        assert words([each.event for each in outer]) == ["a", "b"]

    def test_a_rollback_to_before_the_block_takes_all_of_it(self) -> None:
        sid = transaction.savepoint()
        say("before")
        with captured_events() as events:
            say("a")
            transaction.savepoint_rollback(sid)
            say("b")
            later = transaction.savepoint()
            say("c")
            transaction.savepoint_rollback(later)
        assert words([each.event for each in events]) == ["b"]

    def test_the_number_of_queries_is_that_of_the_code_under_test(self) -> None:
        with self.assertNumQueries(1):
            Order.objects.create(number="1")


@pytest.mark.django_db(transaction=True)
class TestWithCommits:
    def test_events_of_several_transactions_are_seen(self) -> None:
        with captured_events() as events:
            with transaction.atomic():
                say("a")
            Order.objects.create(number="1")
            with pytest.raises(LookupError), transaction.atomic():
                say("b")
                raise LookupError
            with transaction.atomic():
                say("c")
        assert [each.type for each in events] == ["test.said", "testapp.order", "test.said"]
        assert said() == words([each.event for each in events]) == ["a", "c"]

    def test_events_of_a_connection_that_was_closed_are_not_seen(self) -> None:
        with captured_events() as events, transaction.atomic():
            say("a")
            connection.close()
            assert events == []

    def test_a_delete_and_its_tombstone_have_ids_of_their_own(self) -> None:
        order = Order.objects.create(number="1")
        with captured_events() as events:
            order.delete()
        deleted, tombstone = events
        assert tombstone.is_tombstone
        assert deleted.event_id != tombstone.event_id

    def test_what_a_consumer_could_not_decode_fails_as_it_would_there(self) -> None:
        with captured_events() as events, transaction.atomic():
            say("a")
        broken = events[0]._replace(value=b'{"who": 5, "what": "secret"}')
        with pytest.raises(Undecodable, match=r"event .* of type test\.said .* Said .* who: "):
            assert broken.event

    def test_a_block_may_begin_in_one_transaction_and_end_in_another(self) -> None:
        with contextlib.ExitStack() as stack:
            with transaction.atomic():
                say("before")
                events = stack.enter_context(captured_events())
                say("a")
            with transaction.atomic():
                say("b")
                sid = transaction.savepoint()
                say("c")
                transaction.savepoint_rollback(sid)
        assert words([each.event for each in events]) == ["a", "b"]

    def test_two_recordings_with_the_same_content_end_one_by_one(self) -> None:
        with captured_events() as outer:
            with captured_events():
                pass
            with transaction.atomic():
                say("a")
        assert len(outer) == 1

    def test_events_written_early_are_dropped_if_the_transaction_fails(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("outbox.buffer.ROWS_PER_STATEMENT", 3)
        with captured_events() as events:
            with pytest.raises(LookupError), transaction.atomic():
                say("a", "b", "c", "d")
                raise LookupError
            with transaction.atomic():
                say("e", "f", "g", "h")
        assert words([each.event for each in events]) == ["e", "f", "g", "h"]
