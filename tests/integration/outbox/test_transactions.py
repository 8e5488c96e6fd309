"""An event lives and dies with the transaction in which it was recorded."""

import pytest
from django.db import connection, transaction

from tests.app.models import Note
from tests.stored import said
from tests.words import Stop, say

pytestmark = pytest.mark.django_db(transaction=True)


def test_events_are_written_when_the_transaction_commits_and_not_before() -> None:
    with transaction.atomic():
        say("a", "b")
        assert said() == []
    assert said() == ["a", "b"]


def test_events_of_a_transaction_that_fails_are_gone() -> None:
    with pytest.raises(Stop), transaction.atomic():
        say("a")
        raise Stop
    with transaction.atomic():
        say("b")
    assert said() == ["b"]


def test_set_rollback_drops_the_events() -> None:
    with transaction.atomic():
        say("a")
        transaction.set_rollback(True)
    assert said() == []


def test_a_nested_block_that_fails_takes_its_own_events_only() -> None:
    with transaction.atomic():
        say("a")
        with pytest.raises(Stop), transaction.atomic():
            say("b")
            with transaction.atomic():
                say("c")
            raise Stop
        say("d")
    assert said() == ["a", "d"]


def test_a_nested_block_that_succeeds_keeps_its_events_in_order() -> None:
    with transaction.atomic():
        say("a")
        with transaction.atomic():
            say("b")
            with pytest.raises(Stop), transaction.atomic():
                raise Stop
            say("c")
        say("d")
    assert said() == ["a", "b", "c", "d"]


def test_a_block_without_savepoint_that_fails_takes_the_whole_transaction() -> None:
    with transaction.atomic():
        say("a")
        with pytest.raises(Stop), transaction.atomic(savepoint=False):
            say("b")
            raise Stop
    assert said() == []


def test_events_in_nested_blocks_carry_the_transaction_not_the_savepoint() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        xid = cursor.fetchone()
        with transaction.atomic(), transaction.atomic():
            Note.objects.create()
            say("a")
    with connection.cursor() as cursor:
        cursor.execute("SELECT xid::text, xmin::text FROM outbox_event")
        assert cursor.fetchall() == [(*xid, *xid)]


def test_a_durable_block_writes_its_events() -> None:
    with transaction.atomic(durable=True):
        say("a")
    assert said() == ["a"]


def test_callbacks_after_the_commit_record_in_transactions_of_their_own() -> None:
    def later() -> None:
        with transaction.atomic():
            say("b")

    with transaction.atomic():
        transaction.on_commit(later)
        say("a")
    assert said() == ["a", "b"]
