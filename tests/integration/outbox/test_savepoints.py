"""An event lives and dies with the savepoint in which it was recorded."""

import pytest
from django.db import connection, transaction

from outbox.errors import UnknownSavepoint
from tests.app.models import Note
from tests.stored import said
from tests.threads import in_thread
from tests.words import say

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_savepoint_set_by_hand_and_rolled_back_takes_what_came_after_it() -> None:
    with transaction.atomic():
        say("a")
        sid = transaction.savepoint()
        say("b")
        transaction.savepoint_rollback(sid)
        say("c")
        transaction.savepoint_rollback(sid)
        say("d")
    assert said() == ["a", "d"]


def test_savepoints_by_hand_may_be_released_and_rolled_back_in_any_nesting() -> None:
    with transaction.atomic():
        outer = transaction.savepoint()
        say("a")
        inner = transaction.savepoint()
        say("b")
        transaction.savepoint_commit(inner)
        say("c")
        transaction.savepoint_rollback(outer)
        say("d")
        transaction.savepoint_commit(outer)
        say("e")
    assert said() == ["d", "e"]


def test_a_savepoint_name_that_comes_twice_means_the_younger_one() -> None:
    with transaction.atomic():
        transaction.clean_savepoints()
        first = transaction.savepoint()
        say("a")
        transaction.clean_savepoints()
        second = transaction.savepoint()
        say("b")
        transaction.savepoint_rollback(second)
    assert first == second
    assert said() == ["a"]


def test_a_savepoint_that_is_older_than_the_first_event_of_a_new_connection_counts() -> None:
    def work() -> None:
        with transaction.atomic():
            sid = transaction.savepoint()
            say("a")
            transaction.savepoint_rollback(sid)
            say("b")
        connection.close()

    in_thread(work)
    assert said() == ["b"]


def test_a_savepoint_in_raw_sql_cannot_be_rolled_back_through_django_once_there_are_events() -> (
    None
):
    with transaction.atomic():
        say("a")
        raw_savepoint("x")
        Note.objects.create()
        say("b")
        with pytest.raises(UnknownSavepoint, match=r"savepoint 'x' of .*\(2\).* use transaction"):
            transaction.savepoint_rollback("x")
    assert (said(), Note.objects.count()) == (["a", "b"], 1)


def test_a_savepoint_in_raw_sql_may_be_rolled_back_while_there_are_no_events() -> None:
    with transaction.atomic():
        raw_savepoint("x")
        Note.objects.create()
        transaction.savepoint_rollback("x")
        say("a")
        sid = transaction.savepoint()
        say("b")
        transaction.savepoint_rollback(sid)
    assert (said(), Note.objects.count()) == (["a"], 0)


def raw_savepoint(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SAVEPOINT {name}")
