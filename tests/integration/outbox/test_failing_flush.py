"""A flush that fails takes its transaction with it, and nothing else."""

from collections.abc import Callable, Iterator

import pytest
from django.db import DatabaseError, connection, transaction

from outbox import buffer as buffers
from tests.app.models import Note, Order
from tests.stored import said, stored
from tests.words import say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broken_table() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE outbox_event ADD CHECK (type <> 'test.said')")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_type_check")


@pytest.mark.usefixtures("broken_table")
def test_a_flush_that_the_database_refuses_rolls_back_the_rows() -> None:
    with pytest.raises(DatabaseError, match="outbox_event_type_check"), transaction.atomic():
        Note.objects.create()
        say("a")
    assert Note.objects.count() == 0


@pytest.mark.usefixtures("broken_table")
@pytest.mark.parametrize("end", ["atomic", "savepoint_commit"])
def test_an_early_flush_that_fails_at_the_end_of_a_savepoint_undoes_the_transaction(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffers, "ROWS_PER_STATEMENT", 1)
    with transaction.atomic():
        Note.objects.create()
        with pytest.raises(DatabaseError, match="outbox_event_type_check"):
            if end == "atomic":
                with transaction.atomic():
                    say("a")
            else:
                sid = transaction.savepoint()
                say("a")
                transaction.savepoint_commit(sid)
        assert transaction.get_rollback()
    assert (Note.objects.count(), stored()) == (0, [])


@pytest.mark.usefixtures("broken_table")
def test_the_connection_is_usable_after_a_failed_flush() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        say("a")
    with transaction.atomic():
        Order.objects.create(number="1")
    assert [row.type for row in stored()] == ["testapp.order"]
    assert connection.get_autocommit()


def test_whatever_a_flush_raises_leaves_as_a_database_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(DatabaseError, match="RuntimeError: out of luck"), transaction.atomic():
        Note.objects.create()
        say("a")
        monkeypatch.setattr(buffers.Buffer, "_insert", raises(RuntimeError("out of luck")))
    monkeypatch.undo()
    with transaction.atomic():
        say("b")
    assert said() == ["b"]
    assert Note.objects.count() == 0


def test_an_interrupt_during_the_flush_rolls_back_and_leaves_a_usable_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        Note.objects.create()
        say("a")
        monkeypatch.setattr(buffers.Buffer, "_insert", raises(KeyboardInterrupt()))
    monkeypatch.undo()
    with transaction.atomic():
        say("b")
    assert said() == ["b"]
    assert Note.objects.count() == 0


def test_an_interrupt_while_writing_early_leaves_a_usable_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buffers, "ROWS_PER_STATEMENT", 1)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        monkeypatch.setattr(buffers.Buffer, "_insert", raises(KeyboardInterrupt()))
        say("a")
    monkeypatch.undo()
    with transaction.atomic():
        say("b")
    assert said() == ["b"]


def test_a_table_that_is_missing_is_named_with_the_cure() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE outbox_event RENAME TO elsewhere")
    try:
        with (
            pytest.raises(DatabaseError, match=r"run manage\.py migrate"),
            transaction.atomic(),
        ):
            say("a")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO outbox_event")


def test_a_commit_that_the_database_refuses_leaves_no_event() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        Order.objects.create(number="1")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE testapp_order SET customer_id = gen_random_uuid()")
    with transaction.atomic():
        say("b")
    assert [row.type for row in stored()] == ["test.said"]


def raises(failure: BaseException) -> Callable[..., None]:
    def fail(*args: object, **kwargs: object) -> None:
        raise failure

    return fail
