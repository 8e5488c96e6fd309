"""Models that are captured by a trigger: whoever writes them, by which key, with which options."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from django.db.migrations.state import ProjectState
from django.db.models import F
from django.test.utils import CaptureQueriesContext, isolate_apps, override_settings
from pydantic import BaseModel

import outbox
from outbox.capture import captured_models, release
from outbox.errors import InvalidCapture
from outbox.testing import captured_events
from tests.app.models import Lorry, Note, Shelf, Twin
from tests.stored import operations, stored
from tests.triggers import INSERT, execute, made

pytestmark = pytest.mark.django_db


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
