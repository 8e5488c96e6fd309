"""Autocommit is off, and the user commits and rolls back."""

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, transaction

from outbox import buffer as buffers
from outbox.errors import UnsettledTransaction
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


def test_autocommit_is_not_switched_on_while_events_wait() -> None:
    say("a", "b")
    cure = r"'default' cannot be .* events wait .* \(2\); call commit\(\) or rollback\(\) first"
    with pytest.raises(UnsettledTransaction, match=cure):
        transaction.set_autocommit(True)
    transaction.commit()
    transaction.set_autocommit(True)
    with transaction.atomic():
        say("c")
    assert said() == ["a", "b", "c"]


def test_events_that_waited_when_autocommit_was_refused_can_be_rolled_back() -> None:
    say("a")
    with pytest.raises(UnsettledTransaction):
        transaction.set_autocommit(True)
    transaction.rollback()
    transaction.set_autocommit(True)
    with transaction.atomic():
        Note.objects.create()
    assert said() == []


def test_autocommit_is_not_switched_on_after_a_swallowed_failure() -> None:
    fail()
    with pytest.raises(DatabaseError, match="roll it back"):
        transaction.set_autocommit(True)
    transaction.rollback()
    transaction.set_autocommit(True)
    with transaction.atomic():
        say("a")
    assert said() == ["a"]


def test_nothing_is_written_early_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "ROWS_PER_STATEMENT", 3)
    fail()
    say("a", "b", "c")
    assert said() == []
