"""Models that are captured by a trigger: whoever writes them, and with what else in force."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pgtrigger
import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField, HStoreField
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from django.db.migrations.state import ProjectState
from django.db.models import F, Model
from django.test.utils import CaptureQueriesContext, isolate_apps, override_settings
from pydantic import BaseModel

import outbox
from outbox import bypasses
from outbox.capture import captured_models, release
from outbox.coverage import of as coverage_of
from outbox.errors import InvalidCapture
from outbox.expressions import _EXPRESSIONS
from outbox.testing import assert_recorded, captured_events
from tests.app.models import Lorry, Note, Order, Shelf, Twin
from tests.stored import operations, stored
from tests.system_checks import messages

pytestmark = pytest.mark.django_db

INSERT = "INSERT INTO testapp_shelf (code, label, books) VALUES (%s, %s, 1)"


def execute(sql: str, *params: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)


@contextmanager
def made(model: type[Model], *, via: Any = "trigger", **options: Any) -> Iterator[None]:
    """A table of the test's own, captured."""
    outbox.capture(topic=f"test.{model.__name__.lower()}", via=via, **options)(model)
    try:
        with connection.schema_editor() as editor:
            editor.create_model(model)
        yield
    finally:
        release(model)


class TestWriters:
    def test_raw_sql_is_captured_whatever_the_statement(self) -> None:
        execute(INSERT, "a", "one")
        execute("UPDATE testapp_shelf SET label = 'two' WHERE code = 'a'")
        execute(
            "INSERT INTO testapp_shelf (code, label, books) VALUES ('a', 'three', 1) "
            "ON CONFLICT (code) DO UPDATE SET label = excluded.label"
        )
        list(Shelf.objects.raw("UPDATE testapp_shelf SET books = 2 RETURNING *"))
        execute("WITH gone AS (DELETE FROM testapp_shelf RETURNING 1) SELECT FROM gone")
        assert operations() == ["create", "update", "update", "update", "delete", "tombstone"]
        assert [row.json["changed"] for row in stored()[1:4]] == [
            *(["label"], ["label"], ["books", "doubled"])
        ]

    def test_copy_is_captured(self) -> None:
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY testapp_shelf (code, label, books) FROM STDIN") as copy,
        ):
            copy.write("a\tone\t1\nb\ttwo\t1\n")
        assert [(row.key, row.json["after"]["label"]) for row in stored()] == [
            ("a", "one"),
            ("b", "two"),
        ]

    @pytest.mark.django_db(transaction=True)
    def test_what_django_writes_is_captured_once(self) -> None:
        shelf = Shelf.objects.create(code="a")
        shelf.label = "one"
        shelf.save()
        Shelf.objects.bulk_create([Shelf(code="b")])
        Shelf.objects.update(books=F("books") + 1)
        Shelf.objects.filter(code="b").delete()
        assert operations() == [
            *("create", "update", "create", "update", "update", "delete", "tombstone")
        ]

    def test_a_write_of_django_costs_no_statement_more(self) -> None:
        with outbox.context(actor="7"), CaptureQueriesContext(connection) as queries:
            Shelf.objects.create(code="a")
        assert len(queries) == 1

    def test_a_cascade_in_the_database_is_captured(self) -> None:
        execute(
            "ALTER TABLE testapp_shelf ADD owner bigint REFERENCES testapp_note (id) "
            "ON DELETE CASCADE"
        )
        execute("INSERT INTO testapp_note (id, text) VALUES (1, '')")
        execute("INSERT INTO testapp_shelf (code, label, books, owner) VALUES ('a', '', 1, 1)")
        execute("DELETE FROM testapp_note")
        assert operations() == ["create", "delete", "tombstone"]

    @pytest.mark.skipif(not hasattr(models, "DB_CASCADE"), reason="Django 6.1 brought it")
    @isolate_apps("tests.app")
    def test_a_cascade_that_django_leaves_to_the_database_is_captured(self) -> None:
        class Volume(models.Model):
            shelf = models.ForeignKey(Shelf, models.DB_CASCADE)

            class Meta:
                app_label = "testapp"

        with made(Volume):
            shelf = Shelf.objects.create(code="a")
            Volume(shelf=shelf).save()
            shelf.delete()
        assert operations("test.volume") == ["create", "delete", "tombstone"]

    @pytest.mark.parametrize("path", ["''", "theirs, public", "pg_temp, theirs", "pg_catalog"])
    def test_a_writer_finds_our_tables_whatever_its_search_path_is(self, path: str) -> None:
        like = "outbox_event (LIKE public.outbox_event INCLUDING ALL)"
        execute(f"CREATE SCHEMA theirs; CREATE TABLE theirs.{like}; CREATE TEMPORARY TABLE {like}")
        execute(
            "CREATE FUNCTION theirs.outbox_is_suppressed(text) RETURNS boolean LANGUAGE sql "
            "AS 'SELECT true'"
        )
        execute(f"SET LOCAL search_path = {path}")
        execute("INSERT INTO public.testapp_shelf (code, label, books) VALUES ('a', '', 1)")
        execute("SET LOCAL search_path = public")
        execute("DROP TABLE pg_temp.outbox_event")
        assert operations() == ["create"]

    def test_a_role_that_may_insert_events_may_write(self) -> None:
        execute("CREATE ROLE test_writer; GRANT INSERT ON outbox_event TO test_writer")
        execute("GRANT SELECT, INSERT, UPDATE, DELETE ON testapp_shelf TO test_writer")
        execute("SET LOCAL ROLE test_writer")
        execute(INSERT, "a", "")
        execute("UPDATE testapp_shelf SET label = 'b'")
        execute("DELETE FROM testapp_shelf")
        execute("RESET ROLE")
        assert operations() == ["create", "update", "delete", "tombstone"]

    def test_historical_models_of_data_migrations_are_captured(self) -> None:
        model = ProjectState.from_apps(apps).apps.get_model("testapp", "Shelf")
        model._default_manager.create(code="a")
        assert operations() == ["create"]

    def test_rows_of_a_transaction_are_in_the_order_of_their_writes_whatever_their_table(
        self,
    ) -> None:
        execute(INSERT, "a", "")
        twin = Twin.objects.create()
        execute(INSERT, "b", "")
        Twin.objects.update(whole=2)
        Shelf.objects.filter(code="a").update(label="c")
        assert [row.key for row in stored()] == ["a", str(twin.pk), "b", str(twin.pk), "a"]

    @pytest.mark.django_db(transaction=True)
    def test_another_program_is_captured_in_its_own_transaction(self) -> None:
        with psycopg.connect(**connection.get_connection_params()) as program:
            program.execute(INSERT, ("a", "it's"))
            assert stored() == []
            program.commit()
            assert operations() == ["create"]
            program.execute(INSERT, ("b", ""))
            program.rollback()
        assert operations() == ["create"]


class TestKeys:
    @pytest.mark.parametrize(
        ("field", "value", "text"),
        [
            (models.BigIntegerField, -12, "-12"),
            (models.TextField, 'a"b\\ é\u2028\x7f', 'a"b\\ é\u2028\x7f'),
            (models.UUIDField, uuid.UUID(int=10), "00000000-0000-0000-0000-00000000000a"),
            (models.BooleanField, True, "true"),
            (models.FloatField, 1e23, "1e+23"),
            (models.FloatField, 1e-5, "0.00001"),
            (models.DateField, date(24, 1, 2), "0024-01-02"),
            (models.TimeField, time(1, 2, 3, 40), "01:02:03.000040"),
            (models.DurationField, timedelta(-1, 1), "-P0DT23H59M59S"),
            (models.BinaryField, b"\xff\x00" * 60, None),
            (models.GenericIPAddressField, "10.0.0.1", "10.0.0.1"),
            (
                models.DateTimeField,
                datetime(2024, 1, 1, 2, tzinfo=UTC),
                "2024-01-01T02:00:00Z",
            ),
            (models.DecimalField, Decimal("1.500"), "1.5"),
            (models.DecimalField, Decimal("1000"), "1000"),
            (models.DecimalField, Decimal("0"), "0"),
        ],
    )
    @isolate_apps("tests.app")
    def test_a_key_is_the_same_from_save_bulk_delete_and_trigger(
        self, field: Any, value: object, text: str | None
    ) -> None:
        digits = {"max_digits": 12, "decimal_places": 3} if field is models.DecimalField else {}

        class ByStatement(models.Model):
            code = field(primary_key=True, **digits)

            class Meta:
                app_label = "testapp"

        class ByTrigger(models.Model):
            code = field(primary_key=True, **digits)

            class Meta:
                app_label = "testapp"

        with made(ByStatement, via="statement"), made(ByTrigger):
            models_of: list[Any] = [ByStatement, ByTrigger]
            for model in models_of:
                with captured_events() as events:
                    model(code=value).save(force_insert=True)
                    model._default_manager.all().delete()
                    model._default_manager.bulk_create([model(code=value)])
                    model._default_manager.all().delete()
                keys = [event.key.decode() for event in events]
                assert len(keys) == 6
                assert {text or keys[0]} == set(keys)
                text = keys[0]

    @isolate_apps("tests.app")
    def test_a_key_of_several_columns_is_the_same(self) -> None:
        class ByStatement(models.Model):
            pk = models.CompositePrimaryKey("row", "at")
            row = models.TextField()
            at = models.DateTimeField()

            class Meta:
                app_label = "testapp"

        class ByTrigger(models.Model):
            pk = models.CompositePrimaryKey("row", "at")
            row = models.TextField()
            at = models.DateTimeField()

            class Meta:
                app_label = "testapp"

        found = []
        with made(ByStatement, via="statement"), made(ByTrigger):
            for model in (ByStatement, ByTrigger):
                with captured_events() as events:
                    model._default_manager.create(
                        row='"é\n\u2028', at=datetime(2024, 1, 1, tzinfo=UTC)
                    )
                found.append([event.key for event in events])
        assert found[0] == found[1] == ['["\\"é\\n\u2028","2024-01-01T00:00:00Z"]'.encode()]

    def test_a_row_that_goes_by_another_key_is_gone_under_the_old_one(self) -> None:
        execute(INSERT, "a", "")
        execute("UPDATE testapp_shelf SET code = 'b'")
        assert [(row.key, row.value and row.json["op"]) for row in stored()] == [
            ("a", "create"),
            ("a", "delete"),
            ("a", None),
            ("b", "create"),
        ]

    def test_a_row_that_moves_into_another_partition_is_gone_and_there_again(self) -> None:
        execute("ALTER TABLE testapp_shelf RENAME TO first")
        execute(
            "CREATE TABLE testapp_shelf (LIKE first INCLUDING GENERATED INCLUDING IDENTITY) "
            "PARTITION BY LIST (books);"
            "CREATE TABLE one PARTITION OF testapp_shelf FOR VALUES IN (1);"
            "CREATE TABLE two PARTITION OF testapp_shelf FOR VALUES IN (2)"
        )
        call_command("pgtrigger", "install", "testapp.Shelf:outbox", verbosity=0)
        execute(INSERT, "a", "")
        execute("UPDATE testapp_shelf SET books = 2")
        execute("UPDATE two SET label = 'b'")
        assert operations() == ["create", "delete", "tombstone", "create", "update"]

    def test_rows_that_change_keys_among_themselves_all_stay(self) -> None:
        execute("INSERT INTO testapp_shelf (code, label, books) VALUES ('a', '', 1), ('b', '', 2)")
        execute("UPDATE testapp_shelf SET code = chr(ascii(code) - 1)")
        state: dict[str, Any] = {}
        for row in stored():
            if row.value is None or row.json["op"] == "delete":
                state.pop(row.key, None)
            else:
                state[row.key] = row.json["after"]["books"]
        assert state == {"`": 1, "a": 2}

    def test_a_column_that_may_not_be_null_and_is_undoes_the_row(self) -> None:
        execute("ALTER TABLE testapp_shelf ALTER label DROP NOT NULL")
        with pytest.raises(DatabaseError, match="a column that may not be NULL is"):
            execute("INSERT INTO testapp_shelf (code, books) VALUES ('a', 1)")

    def test_a_key_that_is_empty_is_refused(self) -> None:
        with pytest.raises(DatabaseError, match=r"testapp.shelf cannot have the key ''"):
            execute(INSERT, "", "")

    @isolate_apps("tests.app")
    def test_a_key_of_which_a_part_is_empty_is_refused(self) -> None:
        class Pot(models.Model):
            pk = models.CompositePrimaryKey("row", "at")
            row = models.TextField()
            at = models.IntegerField()

            class Meta:
                app_label = "testapp"

        with made(Pot), pytest.raises(DatabaseError, match="cannot have the key NULL"):
            Pot._default_manager.create(row="", at=1)


class TestColumns:
    @isolate_apps("tests.app")
    def test_items_of_an_array_are_told_apart_as_in_python(self) -> None:
        class Pot(models.Model):
            reals: Any = ArrayField(models.FloatField(), null=True)
            texts: Any = ArrayField(models.TextField(), default=list)

            class Meta:
                app_label = "testapp"

        with made(Pot):
            Pot._default_manager.create(reals=[0.0, None])
            execute("UPDATE testapp_pot SET reals = '{-0,NULL}'")
            execute("UPDATE testapp_pot SET reals = '[3:4]={-0,NULL}'")
            execute("UPDATE testapp_pot SET reals = '{}', texts = '{NULL}'")
            execute("UPDATE testapp_pot SET reals = NULL, texts = '{\"NULL\"}'")
        assert [row.json["changed"] for row in stored()[1:]] == [
            *([], [], ["reals", "texts"], ["reals", "texts"])
        ]

    @isolate_apps("tests.app")
    def test_there_may_be_more_columns_than_a_function_takes_arguments(self) -> None:
        class Pot(models.Model):
            class Meta:
                app_label = "testapp"

        for number in range(120):
            models.IntegerField(default=0).contribute_to_class(Pot, f"n{number}")
        with made(Pot):
            Pot._default_manager.create()
            Pot._default_manager.update(n7=1, n119=1)
        assert [row.json["changed"] for row in stored()] == [None, ["n7", "n119"]]


class TestOptions:
    @isolate_apps("tests.app")
    def test_before_and_skip_unchanged(self) -> None:
        class Pot(models.Model):
            text = models.TextField()
            hidden = models.TextField(default="")

            class Meta:
                app_label = "testapp"

        options: dict[str, Any] = {"sensitive": {"hidden": "drop"}}
        with made(Pot, before=True, skip_unchanged=True, **options):
            Pot._default_manager.create(text="a")
            execute("UPDATE testapp_pot SET text = text, hidden = 'x'")
            execute("UPDATE testapp_pot SET text = 'b'")
        created, updated = (row.json for row in stored())
        assert created["after"]["text"] == updated["before"]["text"] == "a"
        assert (updated["after"]["text"], updated["changed"]) == ("b", ["text"])
        assert "hidden" not in created["after"]

    @isolate_apps("tests.app")
    def test_settings_are_those_of_the_migration(self) -> None:
        class Pot(models.Model):
            text = models.TextField()

            class Meta:
                app_label = "testapp"

        with override_settings(OUTBOX_TOMBSTONES=False, OUTBOX_MAX_EVENT_BYTES=200), made(Pot):
            Pot._default_manager.create(text="a")
            with (
                pytest.raises(DatabaseError, match=r"has 2\d\d bytes.*OUTBOX_MAX_EVENT_BYTES=200"),
                transaction.atomic(),
            ):
                Pot._default_manager.create(text="é" * 100)
            Pot._default_manager.all().delete()
        assert operations() == ["create", "delete"]

    def test_what_another_trigger_does_to_the_row_comes_after_it(self) -> None:
        execute(
            "CREATE FUNCTION testapp_fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "UPDATE testapp_shelf SET books = 9 WHERE code = NEW.code AND books <> 9; "
            "RETURN NULL; END $$;"
            "CREATE TRIGGER pgtrigger_fill AFTER INSERT ON testapp_shelf FOR EACH ROW "
            "EXECUTE FUNCTION testapp_fill()"
        )
        execute(INSERT, "a", "")
        assert [row.json["after"]["books"] for row in stored()] == [1, 9]

    @pytest.mark.parametrize(
        ("options", "fault"),
        [
            ({"contract": BaseModel}, "cannot run the validators of contract="),
            ({"sensitive": {"text": "hash"}}, "the key of the hash in the database"),
            ({"refresh": True}, "drop refresh=True"),
            ({"via": "magic"}, "via='magic' is no way to capture"),
        ],
    )
    def test_an_option_that_a_trigger_cannot_keep_is_refused(
        self, options: Any, fault: str
    ) -> None:
        with pytest.raises(InvalidCapture, match=fault):
            outbox.capture(**{"topic": "test.notes", "via": "trigger", **options})(Note)

    def test_a_model_that_one_trigger_cannot_see_is_refused(self) -> None:
        capture = outbox.capture(topic="test.refused", via="trigger")
        release(Lorry)
        try:
            with pytest.raises(InvalidCapture, match="its rows are in several tables"):
                capture(Lorry)
        finally:
            outbox.capture(topic="test.lorries")(Lorry)
        with pytest.raises(InvalidCapture, match="as Django made the model; declare it"):
            capture(Group.permissions.through)
        with isolate_apps("tests.app"):

            class Foreign(models.Model):
                class Meta:
                    app_label, managed = "testapp", False

            with pytest.raises(InvalidCapture, match="managed=False"):
                capture(Foreign)

    def test_without_the_library_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("outbox.triggers.find_spec", lambda name: None)
        with pytest.raises(InvalidCapture, match=r"django-outbox-bridge\[triggers\]"):
            outbox.capture(topic="test.notes", via="trigger")(Note)
        assert Note not in [each.model for each in captured_models()]


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


class TestChecks:
    def test_models_captured_by_a_trigger_are_listed_with_what_it_does_not_see(self) -> None:
        (captured,) = [each for each in captured_models() if each.model is Shelf]
        found = coverage_of(Shelf, captured)
        assert found.capture == "testapp.shelf version 1, key code, by trigger"
        assert found.unseen == ["TRUNCATE"]

    @isolate_apps("tests.app")
    def test_what_the_database_changes_by_itself_is_no_error(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(models, "DB_CASCADE", _db_cascade, raising=False)

        class Book(models.Model):
            shelf = models.ForeignKey(Shelf, models.DB_CASCADE)

            class Meta:
                app_label = "testapp"

        vias: list[tuple[Any, int]] = [("trigger", 0), ("statement", 1)]
        for via, count in vias:
            outbox.capture(topic="test.books", via=via)(Book)
            try:
                assert len([e for e in bypasses.check_relations() if e.obj is Book]) == count
            finally:
                release(Book)

    @isolate_apps("tests.app")
    def test_a_column_that_a_trigger_cannot_write_is_named(self) -> None:
        class Odd(models.Model):
            bag = HStoreField()
            table: Any = ArrayField(ArrayField(models.IntegerField()))
            code = models.JSONField(unique=True)

            class Meta:
                app_label = "testapp"

        outbox.capture(topic="test.odd", via="trigger", key="code")(Odd)
        try:
            found = [each for each in messages("outbox.E010") if each.obj is Odd]
        finally:
            release(Odd)
        assert ["Odd.bag is a HStoreField (hstore)" in found[0].msg, len(found)] == [True, 3]
        assert "Odd.table is a ArrayField (integer[][])" in found[1].msg
        assert "Odd.code holds several values, and is no key" in found[2].msg

    @isolate_apps("tests.app")
    def test_a_key_that_two_rows_may_have_for_a_while_is_refused(self) -> None:
        class Odd(models.Model):
            code = models.TextField()

            class Meta:
                app_label = "testapp"
                constraints = [
                    models.UniqueConstraint(
                        fields=["code"], name="odd", deferrable=models.Deferrable.DEFERRED
                    )
                ]

        outbox.capture(topic="test.odd", via="trigger", key="code")(Odd)
        try:
            (found,) = [each for each in messages("outbox.E010") if each.obj is Odd]
        finally:
            release(Odd)
        assert "the key code may be taken twice until the transaction ends" in found.msg

    @isolate_apps("tests.app")
    def test_a_key_that_is_unique_by_any_means_is_taken(self) -> None:
        class Odd(models.Model):
            code = models.TextField()
            shelf = models.ForeignKey(Shelf, models.CASCADE)
            either = models.TextField()

            class Meta:
                app_label = "testapp"
                unique_together = [["code"]]
                constraints = [
                    models.UniqueConstraint(fields=["shelf_id"], name="by_column"),
                    models.UniqueConstraint(fields=["either"], name="at_once"),
                    models.UniqueConstraint(
                        fields=["either"], name="later", deferrable=models.Deferrable.DEFERRED
                    ),
                ]

        for key in ("code", "shelf", "either"):
            outbox.capture(topic="test.odd", via="trigger", key=key)(Odd)
            try:
                assert [each.msg for each in messages() if each.obj is Odd] == []
            finally:
                release(Odd)

    def test_a_column_that_came_since_and_cannot_be_written_is_said_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(_EXPRESSIONS, (str, "text"))
        found = [each.id for each in messages(databases=["default"]) if each.obj is Shelf]
        assert found == ["outbox.E010"]

    def test_without_the_application_its_name_is_missed(self) -> None:
        installed = [each.name for each in apps.get_app_configs() if each.name != "pgtrigger"]
        with override_settings(INSTALLED_APPS=installed):
            (found,) = messages("outbox.E009")
        assert "'pgtrigger' is not in INSTALLED_APPS" in found.msg
        assert messages("outbox.E009") == []

    def test_a_trigger_that_is_not_as_the_code_says_is_missed(self) -> None:
        def found() -> list[str]:
            faults = messages("outbox.W010", databases=["default"])
            return [each.msg for each in faults if each.obj is Shelf]

        uri = "testapp.Shelf:outbox"
        assert found() == []
        with override_settings(OUTBOX_MAX_EVENT_BYTES=7):
            assert "captures testapp.Shelf is an older one in database 'default'" in found()[0]
        call_command("pgtrigger", "disable", uri, verbosity=0)
        assert "captures testapp.Shelf is switched off" in found()[0]
        call_command("pgtrigger", "uninstall", uri, verbosity=0)
        assert "captures testapp.Shelf is missing" in found()[0]
        call_command("pgtrigger", "install", uri, verbosity=0)
        assert found() == []

    def test_a_trigger_that_is_left_is_told(self) -> None:
        def found() -> list[str]:
            return [each.msg for each in messages("outbox.W010", databases=["default"])]

        assert found() == []
        execute(
            "CREATE FUNCTION pgtrigger_0_outbox_old() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN NULL; END'"
        )
        for table in ("testapp_shelf", "testapp_specimen"):
            execute(
                f"CREATE TRIGGER pgtrigger_0_outbox_old AFTER INSERT ON {table} FOR EACH ROW "
                "EXECUTE FUNCTION pgtrigger_0_outbox_old()"
            )
        told = "is recorded once more by the trigger pgtrigger_0_outbox_old"
        assert [each.partition(",")[0] for each in found()] == [
            f"testapp.Specimen {told}",
            f"testapp.Shelf {told}",
        ]
        call_command("pgtrigger", "prune", verbosity=0)
        assert found() == []


def _db_cascade(*args: object) -> None:
    """Stands for what Django has from version 6.1 on."""
