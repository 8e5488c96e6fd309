"""Autocommit is off, and the user commits and rolls back."""

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, transaction

from tests.app.models import Note
from tests.stored import said
from tests.words import fail, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    transaction.set_autocommit(False)
    yield
    transaction.rollback()
    transaction.set_autocommit(True)


def test_each_commit_writes_the_events_since_the_last_once() -> None:
    say("a")
    transaction.commit()
    say("b")
    transaction.commit()
    assert said() == ["a", "b"]


def test_a_rollback_drops_the_events_since_the_last_commit() -> None:
    say("a")
    transaction.commit()
    say("b")
    transaction.rollback()
    say("c")
    transaction.commit()
    assert said() == ["a", "c"]


def test_an_atomic_block_does_not_commit_and_neither_do_its_events() -> None:
    with transaction.atomic():
        say("a")
    transaction.rollback()
    assert said() == []


def test_a_swallowed_failure_lets_nothing_commit_until_the_rollback() -> None:
    fail()
    Note.objects.create()
    with pytest.raises(DatabaseError, match="roll it back"):
        transaction.commit()
    transaction.rollback()
    say("a")
    transaction.commit()
    assert said() == ["a"]
    assert Note.objects.count() == 0


def test_a_savepoint_set_after_the_failure_does_not_save_the_transaction() -> None:
    fail()
    sid = transaction.savepoint()
    transaction.savepoint_rollback(sid)
    with pytest.raises(DatabaseError, match="roll it back"):
        transaction.commit()


def test_a_savepoint_set_before_the_failure_saves_the_transaction() -> None:
    say("a")
    sid = transaction.savepoint()
    fail()
    transaction.savepoint_rollback(sid)
    say("b")
    transaction.commit()
    assert said() == ["a", "b"]


def test_a_failure_whose_savepoint_was_released_belongs_to_the_one_around_it() -> None:
    outer = transaction.savepoint()
    inner = transaction.savepoint()
    fail()
    transaction.savepoint_commit(inner)
    later = transaction.savepoint()
    transaction.savepoint_rollback(later)
    with pytest.raises(DatabaseError, match="roll it back"):
        transaction.commit()
    transaction.savepoint_rollback(outer)
    say("a")
    transaction.commit()
    assert said() == ["a"]
