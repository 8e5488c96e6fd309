"""What the database is told of the context, and what the test kit sees of triggers."""

import re
from typing import Any

import pgtrigger
import psycopg
import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import override_settings

import outbox
from outbox.errors import InvalidCapture
from outbox.testing import assert_recorded, captured_events
from tests.app.models import Order, Shelf
from tests.stored import stored
from tests.triggers import INSERT, execute

pytestmark = pytest.mark.django_db


class TestContext:
    def test_what_django_sends_carries_the_context(self) -> None:
        with captured_events() as events:
            with outbox.context(actor="it's 100%"):
                Shelf.objects.create(code="a")
                Shelf.objects.update(label=F("code"))
                execute(INSERT, "b", "50%")
                execute("UPDATE testapp_shelf SET label = '%' WHERE code = 'b'")
                Shelf.objects.all().delete()
            execute(INSERT, "c", "")
        said = [event.extensions for event in events]
        assert said == [{"actor": "it's 100%"}] * 8 + [{}]

    @pytest.mark.parametrize(
        "form",
        [
            "/* who; what */ -- and why\n {}",
            "\n\tWITH made AS ({} RETURNING 1) SELECT FROM made",
            b"%s",
            psycopg.sql.SQL("{}"),
        ],
        ids=["comments", "WITH", "bytes", "composed"],
    )
    def test_a_statement_is_known_in_any_form_that_psycopg_takes(self, form: Any) -> None:
        insert = "INSERT INTO testapp_shelf (code, label, books) VALUES ('é', '50%%', 1)"
        match form:
            case bytes():
                statement: Any = form % insert.encode()
            case str():
                statement = form.format(insert)
            case _:
                statement = form.format(psycopg.sql.SQL(insert))
        with captured_events() as events, connection.cursor() as cursor:
            with outbox.context(actor="7"):
                cursor.execute(statement, [])
            Shelf.objects.all().delete()
            with outbox.suppress(Shelf):
                cursor.execute(statement, [])
        assert [event.extensions for event in events] == [{"actor": "7"}, {}, {}]

    def test_a_cursor_on_the_server_reads_what_was_asked(self) -> None:
        Shelf.objects.create(code="a")
        with outbox.context(actor="7"), connection.chunked_cursor() as cursor:
            cursor.execute("WITH known AS (SELECT code FROM testapp_shelf) TABLE known")
            assert cursor.fetchall() == [("a",)]

    @pytest.mark.django_db(transaction=True)
    def test_a_connection_that_is_opened_inside_a_wrapper_keeps_ours(self) -> None:
        connection.close()
        connection.execute_wrappers.clear()
        with connection.execute_wrapper(lambda execute, *statement: execute(*statement)):
            Shelf.objects.count()
        with captured_events() as events, outbox.context(actor="7"):
            Shelf.objects.create(code="a")
        assert [event.extensions for event in events] == [{"actor": "7"}]
        assert len(connection.execute_wrappers) == 1

    def test_results_are_those_of_the_statement(self) -> None:
        with outbox.context(actor="7"):
            assert Shelf.objects.create(code="a").pk
            assert Shelf.objects.update(label="x") == 1
            with connection.cursor() as cursor:
                cursor.execute("UPDATE testapp_shelf SET label = 'y' RETURNING label")
                assert (cursor.rowcount, cursor.fetchall()) == (1, [("y",)])
            assert Shelf.objects.all().delete() == (1, {"testapp.Shelf": 1})

    def test_suppressed_models_are_not_recorded(self) -> None:
        with outbox.suppress(Shelf):
            Shelf.objects.create(code="a")
            execute(INSERT, "b", "")
        with outbox.suppress(Order):
            execute(INSERT, "c", "")
        with outbox.suppress():
            execute(INSERT, "d", "")
        assert [row.key for row in stored()] == ["c"]

    def test_where_the_server_binds_values_suppress_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(vars(connection.features), "uses_server_side_binding", True)
        with outbox.context(actor="7"):
            Shelf.objects.create(code="a")
        with pytest.raises(InvalidCapture, match="does not reach"), outbox.suppress(Shelf):
            Shelf.objects.create(code="b")

    def test_with_executemany_suppress_is_refused_and_the_cure_works(self) -> None:
        with connection.cursor() as cursor:
            with (
                pytest.raises(InvalidCapture, match="does not reach") as refused,
                outbox.suppress(Shelf),
            ):
                cursor.executemany(INSERT, [("a", ""), ("b", "")])
            (cure,) = re.findall(r"SELECT .*\)", str(refused.value))
            cursor.execute(cure)
            cursor.executemany(INSERT, [("a", ""), ("b", "")])
        assert (Shelf.objects.count(), stored()) == (2, [])

    def test_what_is_captured_by_statement_takes_what_others_put_before_it(self) -> None:
        Order.objects.bulk_create([Order(number=str(number)) for number in range(3)])
        Shelf.objects.create(code="a")
        with pgtrigger.ignore("testapp.Shelf:outbox"), captured_events() as events:
            assert Order.objects.update(quantity=F("quantity") + 1) == 3
            assert Shelf.objects.update(label="x") == 1
        assert [event.type for event in events] == ["testapp.order"] * 3

    def test_raw_saves_are_captured_unless_the_setting_says_otherwise(self) -> None:
        Shelf(code="a").save_base(raw=True)
        with override_settings(OUTBOX_CAPTURE_RAW=False):
            Shelf(code="b").save_base(raw=True)
            Shelf.objects.create(code="c")
        assert [row.key for row in stored()] == ["a", "c"]


class TestKit:
    def test_the_test_kit_sees_what_triggers_record(self) -> None:
        with assert_recorded(Shelf, count=1, op="create", code="a", doubled=2) as found:
            execute(INSERT, "a", "")
        assert found
        with assert_recorded(Shelf, op="delete"), captured_events() as events:
            Shelf.objects.all().delete()
        assert [event.is_tombstone for event in events] == [False, True]

    def test_what_is_rolled_back_is_not_recorded(self) -> None:
        with captured_events() as events:
            with transaction.atomic():
                execute(INSERT, "a", "")
                transaction.set_rollback(True)
            Order.objects.create(number="1")
        assert [event.type for event in events] == ["testapp.order"]
