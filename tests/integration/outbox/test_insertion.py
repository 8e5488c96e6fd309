"""How events get into their table."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Thread
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext, override_settings

import outbox
from outbox import insertion
from outbox.buffer import buffer_of
from outbox.errors import FlushFailed
from tests.app.events import Said
from tests.app.models import Line, Order
from tests.stored import said, stored
from tests.waiting import eventually, meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


def say(*words: str, who: str = "me") -> None:
    with transaction.atomic():
        outbox.record(*(Said(who=who, what=word) for word in words))


def flush() -> None:
    """What happens first at a commit, while the transaction stays open."""
    buffer_of(connection).flush()


def somebody_waits() -> bool:
    """For a lock of a key."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("many", [insertion.COPIED_FROM - 1, insertion.COPIED_FROM, 3_000])
def test_few_and_many_are_the_same_in_the_table(many: int) -> None:
    words = [f"Zürich {n} \\ \t\0"[: -1 if n % 2 else None].replace("\0", "") for n in range(many)]
    with outbox.context(actor="Zoë"):
        say(*words)
    assert said() == words
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT convert_from(headers, 'UTF8'), version, subject, xid IS NOT NULL, "
            "created_at IS NOT NULL FROM outbox_event"
        )
        assert cursor.fetchall() == [('{"actor": "Zoë"}', 1, "me", True, True)]


def test_many_are_copied_in_one_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        say(*map(str, range(insertion.COPIED_FROM)))
    assert [query["sql"].split()[0] for query in queries][1:-1] == ["COPY"]


def test_a_copy_that_the_database_refuses_is_a_database_error_and_undoes_the_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE outbox_event ADD CONSTRAINT no CHECK (subject <> 'no')")
    try:
        with pytest.raises(IntegrityError, match="violates check constraint"), transaction.atomic():
            Order.objects.bulk_create([Order(number="a")] * insertion.COPIED_FROM)
            outbox.record(Said(who="no"))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE outbox_event DROP CONSTRAINT no")
    assert (Order.objects.count(), stored()) == (0, [])
    say("after")
    assert said() == ["after"]


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_whatever_a_key_holds_is_a_literal(conforming: str) -> None:
    keys = ["o'hara", "back\\slash \\' ", "%s %% %(a)s", "E'\\x00'; ROLLBACK; --", "Zoë 🦊"]
    with connection.cursor() as cursor:
        cursor.execute(f"SET standard_conforming_strings = {conforming}")
        try:
            for key in keys:
                say("a", who=key)
        finally:
            cursor.execute("RESET standard_conforming_strings")
    assert [(row.key, row.subject) for row in stored()] == [(key, key) for key in keys]


def test_a_key_is_a_literal_in_every_encoding_of_the_connection() -> None:
    keys = ["表'; x", "表\\'"]
    with connection.cursor() as cursor:
        cursor.execute("SET client_encoding = GBK")
        try:
            for key in keys:
                say("a", who=key)
                say(*"a" * insertion.COPIED_FROM, who=key)
        finally:
            cursor.execute("RESET client_encoding")
    found = {(row.key, row.subject) for row in stored()}
    assert found == {(key, key) for key in keys}


class TestCommit:
    """Few events travel together with the COMMIT."""

    def test_what_the_commit_refuses_undoes_rows_and_events(self) -> None:
        with pytest.raises(IntegrityError, match="foreign key"), transaction.atomic():
            Line.objects.create(order_id=404)
        assert (Line.objects.count(), stored()) == (0, [])
        say("after")
        assert said() == ["after"]

    def test_a_missing_table_that_only_the_commit_needs_is_not_said_to_be_ours(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(LATE_FAILURE)
        try:
            with pytest.raises(ProgrammingError, match="nowhere") as refused, transaction.atomic():
                Order.objects.create(number="1")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP FUNCTION fail_late CASCADE")
        assert not isinstance(refused.value, FlushFailed)
        assert (Order.objects.count(), stored()) == (0, [])

    def test_it_goes_alone_where_the_server_binds_values(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection.features, "uses_server_side_binding", True)
        with CaptureQueriesContext(connection) as queries:
            say("a")
        assert not any("; COMMIT" in query["sql"] for query in queries)
        assert said() == ["a"]

    def test_it_goes_alone_in_a_pipeline(self) -> None:
        connection.ensure_connection()
        with connection.connection.pipeline():
            say("a")
        assert said() == ["a"]

    def test_it_goes_alone_where_a_wrapper_may_fail_after_the_statement(self) -> None:
        def fail_after(execute: Any, sql: str, *args: Any) -> Any:
            execute(sql, *args)
            if "outbox_event" in sql:
                raise RuntimeError("too slow")

        with (
            pytest.raises(FlushFailed, match="too slow"),
            connection.execute_wrapper(fail_after),
            transaction.atomic(),
        ):
            Order.objects.create(number="1")
        assert (Order.objects.count(), stored()) == (0, [])

    @pytest.mark.parametrize(
        "begun",
        [lambda raw: raw.transaction(), lambda raw: nullcontext(raw.tpc_begin("a"))],
        ids=["transaction", "two phases"],
    )
    def test_it_is_not_sent_where_psycopg_refuses_it(
        self, begun: Callable[[Any], AbstractContextManager[object]]
    ) -> None:
        transaction.set_autocommit(False)
        try:
            with pytest.raises(ProgrammingError, match="commit"), begun(connection.connection):
                Order.objects.create(number="1")
                transaction.commit()
        finally:
            connection.close()
        assert (Order.objects.count(), stored()) == (0, [])


LATE_FAILURE = """
CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM FROM nowhere; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON testapp_order DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION fail_late();
"""


class TestStrictKeyOrder:
    """A key that no lock of a row guards, such as that of a custom signal."""

    def test_a_key_is_written_by_one_transaction_at_a_time(self) -> None:
        with override_settings(OUTBOX_STRICT_KEY_ORDER=True), meanwhile(lambda: say("second")):
            say("first")
            flush()
        assert said() == ["first", "second"]

    def test_without_it_nobody_waits(self) -> None:
        self.require_no_waiting(who="me")

    def test_other_keys_do_not_wait(self) -> None:
        with override_settings(OUTBOX_STRICT_KEY_ORDER=True):
            self.require_no_waiting(who="you")

    def require_no_waiting(self, who: str) -> None:
        with transaction.atomic():
            say("first")
            flush()
            other = Thread(target=self.say_elsewhere, args=(who,))
            other.start()
            other.join(10)
            assert not other.is_alive()
        assert said() == ["first", f"for {who}"]

    def say_elsewhere(self, *keys: str) -> None:
        with transaction.atomic():
            outbox.record(*(Said(who=key, what=f"for {key}") for key in keys))
        connection.close()

    @override_settings(OUTBOX_STRICT_KEY_ORDER=True)
    def test_nobody_waits_for_a_key_with_a_later_one_in_hand(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else two transactions with the same keys could wait for each other."""
        monkeypatch.setattr(insertion, "_lock", lambda row: int(row.key))
        other = Thread(target=self.say_elsewhere, args=("2", "1"))
        with transaction.atomic():
            say("first", who="1")
            flush()
            other.start()
            eventually(somebody_waits)
            say("second", who="2")
            flush()
        other.join(10)
        assert said() == ["first", "second", "for 2", "for 1"]

    @override_settings(OUTBOX_STRICT_KEY_ORDER=True)
    def test_it_costs_one_statement_for_all_keys(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            say("a")
        verbs = [query["sql"].split()[0] for query in queries]
        assert verbs == ["BEGIN", "SELECT", "INSERT", "COMMIT"]
