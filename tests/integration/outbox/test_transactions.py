"""An event lives and dies with the transaction, or the savepoint, in which it was recorded."""

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.db.utils import OperationalError

import outbox
from outbox import buffer as buffers
from outbox.apps import begin_empty
from tests.app.events import Said
from tests.app.models import Note, Order
from tests.stored import said, stored

pytestmark = pytest.mark.django_db(transaction=True)


def say(*words: str) -> None:
    for word in words:
        outbox.record(Said(who="me", what=word))


def fail() -> None:
    with pytest.raises(outbox.OutboxError):
        outbox.record("no event")  # type: ignore[arg-type]


class Stop(Exception):
    pass


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


class TestAutocommitOff:
    @pytest.fixture(autouse=True)
    def _off(self) -> Iterator[None]:
        transaction.set_autocommit(False)
        yield
        transaction.rollback()
        transaction.set_autocommit(True)

    def test_each_commit_writes_the_events_since_the_last_once(self) -> None:
        say("a")
        transaction.commit()
        say("b")
        transaction.commit()
        assert said() == ["a", "b"]

    def test_a_rollback_drops_the_events_since_the_last_commit(self) -> None:
        say("a")
        transaction.commit()
        say("b")
        transaction.rollback()
        say("c")
        transaction.commit()
        assert said() == ["a", "c"]

    def test_an_atomic_block_does_not_commit_and_neither_do_its_events(self) -> None:
        with transaction.atomic():
            say("a")
        transaction.rollback()
        assert said() == []

    def test_a_swallowed_failure_lets_nothing_commit_until_the_rollback(self) -> None:
        fail()
        Note.objects.create()
        with pytest.raises(DatabaseError, match="roll it back"):
            transaction.commit()
        transaction.rollback()
        say("a")
        transaction.commit()
        assert said() == ["a"]
        assert Note.objects.count() == 0

    def test_a_savepoint_set_after_the_failure_does_not_save_the_transaction(self) -> None:
        fail()
        sid = transaction.savepoint()
        transaction.savepoint_rollback(sid)
        with pytest.raises(DatabaseError, match="roll it back"):
            transaction.commit()

    def test_a_savepoint_set_before_the_failure_saves_the_transaction(self) -> None:
        say("a")
        sid = transaction.savepoint()
        fail()
        transaction.savepoint_rollback(sid)
        say("b")
        transaction.commit()
        assert said() == ["a", "b"]

    def test_a_failure_whose_savepoint_was_released_belongs_to_the_one_around_it(self) -> None:
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


class TestWritingEarly:
    def test_a_long_transaction_writes_its_events_before_its_end(self) -> None:
        count = buffers.ROWS_PER_STATEMENT + 5
        with transaction.atomic():
            say(*map(str, range(count)))
            assert len(said()) == buffers.ROWS_PER_STATEMENT
        assert said() == [str(number) for number in range(count)]

    def test_what_was_written_early_is_rolled_back_with_the_transaction(self) -> None:
        with pytest.raises(Stop), transaction.atomic():
            say(*map(str, range(buffers.ROWS_PER_STATEMENT)))
            raise Stop
        with transaction.atomic():
            say("a")
        assert said() == ["a"]

    def test_nothing_is_written_early_inside_a_savepoint_that_may_roll_back(self) -> None:
        with transaction.atomic():
            say("a")
            with pytest.raises(Stop), transaction.atomic():
                say(*map(str, range(buffers.ROWS_PER_STATEMENT)))
                raise Stop
            say("b")
        assert said() == ["a", "b"]

    def test_a_savepoint_after_early_writing_rolls_back_to_its_own_mark(self) -> None:
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
        self, opened_before_the_outbox: None
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
    def opened_before_the_outbox(self) -> Iterator[None]:
        """Connections are not seen when they open, as before the applications are ready."""
        connection_created.disconnect(dispatch_uid="outbox.buffer")
        yield
        connection_created.connect(begin_empty, dispatch_uid="outbox.buffer")

    def test_a_flush_of_many_events_is_split_into_statements_of_bounded_size(self) -> None:
        count = 2 * buffers.ROWS_PER_STATEMENT + 1
        with transaction.atomic(), transaction.atomic():
            say(*map(str, range(count)))
        assert said() == [str(number) for number in range(count)]


class TestFailingFlush:
    @pytest.fixture
    def broken_table(self) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE outbox_event ADD CHECK (type <> 'test.said')")
        yield
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE outbox_event DROP CONSTRAINT outbox_event_type_check")

    @pytest.mark.usefixtures("broken_table")
    def test_a_flush_that_the_database_refuses_rolls_back_the_rows(self) -> None:
        with pytest.raises(DatabaseError, match="outbox_event_type_check"), transaction.atomic():
            Note.objects.create()
            say("a")
        assert Note.objects.count() == 0

    @pytest.mark.usefixtures("broken_table")
    def test_the_connection_is_usable_after_a_failed_flush(self) -> None:
        with pytest.raises(DatabaseError), transaction.atomic():
            say("a")
        with transaction.atomic():
            Order.objects.create(number="1")
        assert [row.type for row in stored()] == ["testapp.order"]
        assert connection.get_autocommit()

    def test_whatever_a_flush_raises_leaves_as_a_database_error(
        self, monkeypatch: pytest.MonkeyPatch
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
        self, monkeypatch: pytest.MonkeyPatch
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

    def test_a_table_that_is_missing_is_named_with_the_cure(self) -> None:
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

    def test_a_commit_that_the_database_refuses_leaves_no_event(self) -> None:
        with pytest.raises(DatabaseError), transaction.atomic():
            Order.objects.create(number="1")
            with connection.cursor() as cursor:
                cursor.execute("UPDATE testapp_order SET customer_id = gen_random_uuid()")
        with transaction.atomic():
            say("b")
        assert [row.type for row in stored()] == ["test.said"]


class TestConnections:
    def test_a_new_thread_has_events_of_its_own(self) -> None:
        def work() -> None:
            with transaction.atomic():
                say("b")
            connection.close()

        with pytest.raises(Stop), transaction.atomic():
            say("a")
            in_thread(work)
            raise Stop
        assert said() == ["b"]

    def test_a_connection_that_was_closed_and_opened_again_still_flushes(self) -> None:
        for word in ("a", "b"):
            with transaction.atomic():
                say(word)
            connection.close()
        assert said() == ["a", "b"]

    def test_closing_the_connection_in_mid_transaction_forgets_its_events(self) -> None:
        with transaction.atomic():
            say("a")
            connection.close()
        with transaction.atomic():
            say("b")
        assert said() == ["b"]

    def test_recording_after_the_connection_was_closed_in_mid_transaction_is_refused(self) -> None:
        with transaction.atomic():
            connection.close()
            with pytest.raises(outbox.OutboxError, match="closed in the middle"):
                say("a")
        with transaction.atomic():
            say("b")
        assert said() == ["b"]

    def test_a_connection_that_the_server_ends_takes_its_events_with_it(self) -> None:
        with pytest.raises(OperationalError), transaction.atomic():
            say("a")
            terminate(connection.connection.info.backend_pid)
        connection.close()
        with transaction.atomic():
            say("b")
        assert said() == ["b"]

    @pytest.mark.django_db(transaction=True, databases=["default", "other"])
    def test_a_connection_of_another_alias_is_left_as_django_made_it(self) -> None:
        other = connections["other"].copy()
        other.ensure_connection()
        assert not {"_commit", "_savepoint", buffers._ATTRIBUTE} & other.__dict__.keys()
        other.close()


def in_thread(work: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    if failures:
        raise failures[0]


def raises(failure: BaseException) -> Callable[..., None]:
    def fail(*args: object) -> None:
        raise failure

    return fail


def terminate(pid: int) -> None:
    parameters = connection.get_connection_params()
    wanted = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(
        **{name: parameters[name] for name in wanted if name in parameters}
    ) as own:
        own.execute("SELECT pg_terminate_backend(%s)", [pid])
