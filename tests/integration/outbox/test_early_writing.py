"""A long transaction writes its events before its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.signals import connection_created

from outbox import buffer as buffers
from outbox import insertion
from outbox.apps import begin_empty
from tests.stored import said
from tests.threads import in_thread
from tests.words import Stop, say

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_long_transaction_writes_its_events_before_its_end() -> None:
    count = buffers.ROWS_PER_STATEMENT + 5
    with transaction.atomic():
        say(*map(str, range(count)))
        assert len(said()) == buffers.ROWS_PER_STATEMENT
    assert said() == [str(number) for number in range(count)]


def test_what_was_written_early_is_rolled_back_with_the_transaction() -> None:
    with pytest.raises(Stop), transaction.atomic():
        say(*map(str, range(buffers.ROWS_PER_STATEMENT)))
        raise Stop
    with transaction.atomic():
        say("a")
    assert said() == ["a"]


def test_nothing_is_written_early_inside_a_savepoint_that_may_roll_back() -> None:
    with transaction.atomic():
        say("a")
        with pytest.raises(Stop), transaction.atomic():
            say(*map(str, range(buffers.ROWS_PER_STATEMENT)))
            raise Stop
        say("b")
    assert said() == ["a", "b"]


def test_a_savepoint_after_early_writing_rolls_back_to_its_own_mark() -> None:
    early = [str(number) for number in range(buffers.ROWS_PER_STATEMENT)]
    with transaction.atomic():
        say(*early)
        say("a")
        sid = transaction.savepoint()
        say("b")
        transaction.savepoint_rollback(sid)
        say("c")
    assert said() == [*early, "a", "c"]


def test_nothing_is_written_early_where_older_savepoints_may_be_open(
    opened_before_the_outbox: None,
) -> None:
    def work() -> None:
        with transaction.atomic():
            sid = transaction.savepoint()
            say(*map(str, range(buffers.ROWS_PER_STATEMENT)))
            assert said() == []
            transaction.savepoint_rollback(sid)
            say("a")
        connection.close()

    in_thread(work)
    assert said() == ["a"]


@pytest.fixture
def opened_before_the_outbox() -> Iterator[None]:
    """Connections are not seen when they open, as before the applications are ready."""
    connection_created.disconnect(dispatch_uid="outbox.buffer")
    yield
    connection_created.connect(begin_empty, dispatch_uid="outbox.buffer")


def test_a_flush_of_many_events_is_split_into_statements_of_bounded_size() -> None:
    count = 2 * buffers.ROWS_PER_STATEMENT + 1
    with transaction.atomic(), transaction.atomic():
        say(*map(str, range(count)))
    assert said() == [str(number) for number in range(count)]


def test_nothing_is_written_early_in_a_transaction_that_will_be_rolled_back(short: None) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        say("a", "b", "c")
    assert said() == []


class TestInnerBlocks:
    def test_they_do_not_keep_the_events_of_a_long_transaction_waiting(self, short: None) -> None:
        with transaction.atomic():
            for word in "abcdefg":
                with transaction.atomic():
                    say(word)
            assert said() == list("abcdef")
        assert said() == list("abcdefg")

    def test_what_does_not_fill_a_statement_goes_on_waiting(self, short: None) -> None:
        with transaction.atomic():
            with transaction.atomic():
                say("a", "b", "c", "d")
            assert said() == list("abc")

    def test_nothing_is_written_at_the_end_of_one_that_is_inside_another(self, short: None) -> None:
        with transaction.atomic():
            with pytest.raises(Stop), transaction.atomic():
                with transaction.atomic():
                    say("a", "b", "c")
                assert said() == []
                raise Stop
            say("d")
        assert said() == ["d"]

    def test_what_waited_is_written_at_the_end_of_one_that_fails(self, short: None) -> None:
        with transaction.atomic():
            say("a", "b")
            with transaction.atomic():
                say("c")
                with pytest.raises(Stop), transaction.atomic():
                    say("d")
                    raise Stop
                assert said() == []
            assert said() == list("abc")


@pytest.mark.usefixtures("few_bytes")
class TestBytes:
    def test_a_statement_is_bounded_by_bytes_as_well_as_rows(self) -> None:
        words = [character * 40 for character in "abcde"]
        with sizes_of_statements() as sizes, transaction.atomic(), transaction.atomic():
            say(*words)
        assert said() == words
        assert [len(each) for each in sizes] == [3, 2]
        assert all(sum(each) <= buffers.BYTES_PER_STATEMENT for each in sizes)

    def test_an_event_that_is_larger_than_a_statement_may_be_is_written_alone(self) -> None:
        words = ["a", "b" * 2 * buffers.BYTES_PER_STATEMENT, "c"]
        with sizes_of_statements() as sizes, transaction.atomic(), transaction.atomic():
            say(*words)
        assert said() == words
        assert [len(each) for each in sizes] == [1, 1, 1]

    def test_a_long_transaction_writes_once_there_are_enough_bytes(self) -> None:
        with transaction.atomic():
            for character in "abc":
                say(character * 40)
                assert said() == []
            say("d" * 40)
            assert len(said()) == 3
            say("e")
            assert len(said()) == 3

    def test_bytes_of_events_that_were_rolled_back_do_not_count(self) -> None:
        with transaction.atomic():
            for _ in range(4):
                with pytest.raises(Stop), transaction.atomic():
                    say("a" * 40)
                    raise Stop
            say("b")
            assert said() == []
        assert said() == ["b"]

    def test_bytes_of_a_transaction_that_failed_do_not_count_in_the_next(self) -> None:
        with pytest.raises(Stop), transaction.atomic():
            say("a" * 40, "b" * 40, "c" * 40)
            raise Stop
        with transaction.atomic():
            say("d")
            assert said() == []


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "ROWS_PER_STATEMENT", 3)


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "BYTES_PER_STATEMENT", 220)


@contextmanager
def sizes_of_statements() -> Iterator[list[list[int]]]:
    """The bytes of key and value of each row, for each statement that writes events."""
    sizes: list[list[int]] = []

    def insert(connection: Any, rows: Any, **kwargs: Any) -> None:
        sizes.append([row.size for row in rows])
        insertion.insert(connection, rows, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffers, "insert", insert)
        yield sizes
