"""A long transaction writes its events before its end."""

from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.db.backends.signals import connection_created

from outbox import buffer as buffers
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
