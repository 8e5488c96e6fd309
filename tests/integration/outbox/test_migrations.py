"""The tables, what a migration writes into them, and what happens before they exist."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.checks import CheckMessage
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.signals import pre_migrate
from django.test.utils import override_settings

import outbox
from local.scratch import ROOT
from outbox import installation, registration
from outbox.columns import AnyField
from outbox.models import Metadata, Position, Row, Topic
from tests.app.events import Said
from tests.app.models import Order, Vehicle
from tests.conftest import migrate
from tests.stored import Stored, stored
from tests.system_checks import messages

TABLES = """
    SELECT table_name, column_name, data_type, is_nullable, column_default, identity_generation
    FROM information_schema.columns WHERE table_name LIKE 'outbox%' ORDER BY 1, ordinal_position
"""
EXPECTED = [
    ("outbox_event", "id", "bigint", "NO", None, "ALWAYS"),
    ("outbox_event", "xid", "xid8", "NO", "pg_current_xact_id()", None),
    ("outbox_event", "event_id", "uuid", "NO", None, None),
    ("outbox_event", "topic", "text", "NO", None, None),
    ("outbox_event", "key", "bytea", "NO", None, None),
    ("outbox_event", "type", "text", "NO", None, None),
    ("outbox_event", "version", "integer", "NO", None, None),
    ("outbox_event", "subject", "text", "YES", None, None),
    ("outbox_event", "value", "bytea", "YES", None, None),
    ("outbox_event", "headers", "bytea", "YES", None, None),
    ("outbox_event", "created_at", "timestamp with time zone", "NO", "clock_timestamp()", None),
    ("outbox_metadata", "id", "smallint", "NO", None, None),
    ("outbox_metadata", "schema_version", "integer", "NO", None, None),
    ("outbox_metadata", "source", "text", "NO", None, None),
    ("outbox_parked", "id", "bigint", "NO", None, "BY DEFAULT"),
    ("outbox_parked", "publisher", "text", "NO", None, None),
    ("outbox_parked", "topic", "text", "NO", None, None),
    ("outbox_parked", "key", "bytea", "YES", None, None),
    ("outbox_parked", "row_id", "bigint", "NO", None, None),
    ("outbox_parked", "reason", "text", "NO", None, None),
    ("outbox_parked", "since", "timestamp with time zone", "NO", "clock_timestamp()", None),
    ("outbox_parked", "retries", "integer", "NO", "0", None),
    ("outbox_parked", "prev", "pg_snapshot", "NO", None, None),
    ("outbox_parked", "now", "pg_snapshot", "YES", None, None),
    ("outbox_parked", "last_id", "bigint", "YES", None, None),
    ("outbox_parked", "until_prev", "pg_snapshot", "YES", None, None),
    ("outbox_parked", "until_now", "pg_snapshot", "YES", None, None),
    ("outbox_parked", "until_last_id", "bigint", "YES", None, None),
    ("outbox_parked", "cursor", "bigint", "NO", "0", None),
    ("outbox_position", "name", "text", "NO", None, None),
    ("outbox_position", "epoch", "bigint", "NO", "0", None),
    ("outbox_position", "system_identifier", "bigint", "YES", None, None),
    ("outbox_position", "timeline", "integer", "YES", None, None),
    ("outbox_position", "prev", "pg_snapshot", "NO", "'1:1:'::pg_snapshot", None),
    ("outbox_position", "now", "pg_snapshot", "YES", None, None),
    ("outbox_position", "last_id", "bigint", "YES", None, None),
    ("outbox_position", "updated_at", "timestamp with time zone", "NO", "clock_timestamp()", None),
    ("outbox_position", "keeper", "text", "NO", "'database'::text", None),
    ("outbox_request", "id", "bigint", "NO", None, "BY DEFAULT"),
    ("outbox_request", "publisher", "text", "NO", None, None),
    ("outbox_request", "verb", "text", "NO", None, None),
    ("outbox_request", "parked_id", "bigint", "NO", None, None),
    ("outbox_request", "row_id", "bigint", "NO", None, None),
    ("outbox_request", "created_at", "timestamp with time zone", "NO", "clock_timestamp()", None),
    ("outbox_request", "done_at", "timestamp with time zone", "YES", None, None),
    ("outbox_request", "outcome", "text", "YES", None, None),
    ("outbox_topic", "name", "text", "NO", None, None),
    ("outbox_topic", "kind", "text", "NO", None, None),
    ("outbox_topic", "partitions", "integer", "NO", None, None),
]


@pytest.fixture
def migrated() -> None:
    """Runs `migrate` again: its signals are the ones that matter here."""
    call_command("migrate", verbosity=0)


@pytest.mark.django_db(transaction=True)
class TestTables:
    def test_they_are_exactly_what_the_publisher_reads(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(TABLES)
            assert cursor.fetchall() == EXPECTED
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'outbox_event_xid'")
            (index,) = cursor.fetchone() or ("",)
        assert index.endswith("USING btree (xid, id)")
        assert installation.sequence_cache(connection) == 1

    def test_models_and_migrations_say_the_same(self) -> None:
        call_command("makemigrations", "outbox", check=True, dry_run=True, stdout=StringIO())

    def test_ids_are_given_by_the_database_only(self) -> None:
        with pytest.raises(Exception, match="cannot insert a non-DEFAULT value into column"):
            Row.objects.create(id=5, topic="t", key=b"k", type="t", version=1, event_id=EVENT_ID)

    def test_rows_and_positions_are_readable_through_the_models(self) -> None:
        with transaction.atomic():
            outbox.record(Said(who="me"))
        row = Row.objects.get()
        assert Row.objects.filter(xid=row.xid).exists()
        assert isinstance(row.xid, int)
        assert str(row) == f"{row.pk} test.said me"
        Position.objects.create(name="default", now="5:9:6,7")
        position = Position.objects.get()
        assert (position.prev, position.now, str(position)) == ("1:1:", "5:9:6,7", "default")

    def test_event_ids_are_time_ordered_and_unique(self) -> None:
        before = time.time_ns() // 1_000_000
        with transaction.atomic():
            outbox.record(*[Said(who="me", what=str(number)) for number in range(100)])
        ids = list(Row.objects.order_by("id").values_list("event_id", flat=True))
        assert len(set(ids)) == 100
        assert {each.version for each in ids} == {7}
        assert before <= ids[0].int >> 80 <= ids[-1].int >> 80 <= time.time_ns() // 1_000_000
        moments = [each.int >> 64 for each in ids]
        assert moments == sorted(moments)


EVENT_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.django_db(transaction=True)
class TestWhatAMigrationWrites:
    def test_topics_with_kind_and_partitions_source_and_schema_version(self) -> None:
        with override_settings(
            OUTBOX_TOPIC_PARTITIONS=3,
            OUTBOX_TOPICS={"test.audit": {"kind": "state"}, "test.said": {"partitions": 1}},
        ):
            call_command("migrate", verbosity=0)
            topics = {each.name: (each.kind, each.partitions) for each in Topic.objects.all()}
        assert topics["test.orders"] == ("state", 3)
        assert topics["test.said"] == ("events", 1)
        assert topics["test.audit"] == ("state", 3)
        metadata = Metadata.objects.get()
        assert (metadata.source, metadata.schema_version) == ("urn:test:suite", 2)
        assert str(metadata) == "urn:test:suite (schema 2)"

    @pytest.mark.usefixtures("migrated")
    def test_a_topic_that_is_declared_no_longer_is_removed(self) -> None:
        Topic.objects.create(name="test.old", kind="events", partitions=1)
        Topic.objects.filter(name="test.said").update(partitions=99)
        call_command("migrate", verbosity=0)
        assert not Topic.objects.filter(name="test.old").exists()
        assert Topic.objects.get(name="test.said").partitions == 12

    def test_a_flush_of_the_database_writes_them_again(self) -> None:
        call_command("flush", interactive=False, verbosity=0)
        assert Topic.objects.filter(name="test.orders").exists()
        assert Metadata.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestTablesThatSayOtherwise:
    def test_after_a_migration_they_say_the_same(self) -> None:
        call_command("migrate", verbosity=0)
        assert differences() == []

    def test_a_topic_that_was_added_removed_or_changed_is_named_with_the_cure(self) -> None:
        call_command("migrate", verbosity=0)
        Topic.objects.filter(name="test.said").delete()
        Topic.objects.filter(name="test.orders").update(partitions=99)
        Topic.objects.create(name="test.old", kind="state", partitions=1)
        (found,) = differences()
        assert found.id == "outbox.W003"
        assert "'test.said' is missing in the table, events (partitions: 12) in the" in found.msg
        assert (
            "'test.orders' is state (partitions: 99) in the table, state (partitions: 12)"
            in found.msg
        )
        assert "'test.old' is state (partitions: 1) in the table, missing in the" in found.msg
        assert "manage.py migrate" in (found.hint or "")
        call_command("migrate", verbosity=0)
        assert differences() == []

    def test_another_source_or_schema_version_is_named(self) -> None:
        call_command("migrate", verbosity=0)
        Metadata.objects.update(source="urn:old", schema_version=0)
        (found,) = differences()
        assert "source is 'urn:old' in the table, 'urn:test:suite' in the settings" in found.msg
        assert "schema version is 0 in the table, 2 in the code" in found.msg

    def test_tables_in_which_nothing_was_written_yet_are_named(self) -> None:
        Metadata.objects.all().delete()
        Topic.objects.all().delete()
        (found,) = differences()
        assert "the source is None in the table" in found.msg

    def test_without_the_database_and_before_the_migration_nothing_is_asked(self) -> None:
        Topic.objects.all().delete()
        assert not messages("outbox.W003")
        rename("outbox_event", "outbox_event_later")
        assert differences() == []
        rename("outbox_event_later", "outbox_event")


def differences() -> list[CheckMessage]:
    return messages("outbox.W003", databases=["default"])


@pytest.mark.django_db(transaction=True)
class TestBeforeOurMigrations:
    @pytest.fixture
    def not_yet(self) -> Iterator[None]:
        """Another application's data migration runs while our tables do not exist."""
        rename("outbox_event", "outbox_event_later")
        app = apps.get_app_config("outbox")
        pre_migrate.send(app, using="default", plan=[], apps=apps, app_config=app)
        yield
        rename("outbox_event_later", "outbox_event")
        registration.register(using="default")

    def test_nothing_is_recorded_and_nothing_fails(self, not_yet: None) -> None:
        order = Order.objects.create(number="1")
        order.delete()
        with transaction.atomic():
            outbox.record(Said(who="me", what="early"))
        assert stored_later() == []

    def test_recording_begins_as_soon_as_the_table_is_there(self, not_yet: None) -> None:
        Order.objects.create(number="1")
        rename("outbox_event_later", "outbox_event")
        with transaction.atomic():
            outbox.record(Said(who="me", what="a"))
        assert [row.type for row in stored()] == ["test.said"]
        rename("outbox_event", "outbox_event_later")

    def test_what_does_not_wait_for_the_commit_is_not_recorded_either(
        self, not_yet: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("outbox.buffer.ROWS_PER_STATEMENT", 2)
        with transaction.atomic():
            outbox.record(*[Said(who="me", what="early")] * 3)
        assert stored_later() == []

    def test_a_historical_model_is_not_the_captured_one(self) -> None:
        vehicle = historical_model("vehicle", wheels=models.IntegerField()).objects.create(wheels=3)
        assert Vehicle.objects.get().wheels == 3
        vehicle.delete()
        assert (Vehicle.objects.count(), stored()) == (0, [])

    def test_the_database_is_asked_only_while_migrations_run(self) -> None:
        assert installation.is_complete(connection)
        with connection.execute_wrapper(refuse):
            assert installation.is_complete(connection)


def test_a_fresh_database_gets_the_tables_and_the_declarations(database_url: str) -> None:
    migrate(database_url)
    with psycopg.connect(database_url) as own:
        topics: dict[str, str] = dict(own.execute("SELECT name, kind FROM outbox_topic"))
        (source,) = own.execute("SELECT source FROM outbox_metadata").fetchone() or ("",)
    assert (topics["test.orders"], topics["test.said"]) == ("state", "events")
    assert source == "urn:test:suite"


EARLY_MODELS = """
import outbox
from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save
from tests.app.events import Said

class Tag(models.Model): ...

@outbox.capture(topic="test.early")
class Thing(models.Model):
    tags = models.ManyToManyField(Tag)

@outbox.receiver([post_save, post_delete, m2m_changed])
def on_any(sender, **kwargs):
    if sender._meta.app_label == "early":
        print(sender.__module__, sender.__name__, kwargs.get("action", ""))
        return Said(who="me", what="early")
"""
EARLY_DATA = """
from django.db import migrations

def write(apps, editor):
    Thing, Tag = apps.get_model("early.Thing"), apps.get_model("early.Tag")
    thing, tag = Thing.objects.create(), Tag.objects.create()
    thing.tags.add(tag)
    tag.thing_set.clear()
    Thing.objects.bulk_create([Thing(), Thing()])
    thing.delete()

class Migration(migrations.Migration):
    dependencies = [("early", "0001_initial")]
    run_before = [("outbox", "0001_initial")]
    operations = [migrations.RunPython(write)]
"""


def test_a_data_migration_before_ours_sends_its_signals_and_records_nothing(
    database_url: str, tmp_path: Path
) -> None:
    app = tmp_path / "early"
    (app / "migrations").mkdir(parents=True)
    for name in ("__init__.py", "migrations/__init__.py"):
        (app / name).touch()
    (app / "models.py").write_text(EARLY_MODELS)
    settings = "from tests.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'early']\n"
    (tmp_path / "early_settings.py").write_text(settings)
    env = {
        **os.environ,
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "early_settings",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    manage(env, "makemigrations", "early")
    (app / "migrations/0002_data.py").write_text(EARLY_DATA)
    said = manage(env, "migrate", "--verbosity=0")
    assert "__fake__ Thing_tags post_add" in said
    assert "__fake__ Thing_tags post_clear" in said
    with psycopg.connect(database_url) as own:
        (counts,) = own.execute(
            "SELECT (SELECT count(*) FROM early_thing), (SELECT count(*) FROM outbox_event)"
        )
    assert counts == (2, 0)


def test_the_tables_can_be_removed_and_made_again(database_url: str) -> None:
    env = {**os.environ, "DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    for target in ([], ["outbox", "zero"], []):
        manage(env, "migrate", "--verbosity=0", *target)


def manage(env: Mapping[str, str], *words: str) -> str:
    """What a command of Django's said, run in a process of its own."""
    command = [sys.executable, "-m", "django", *words]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rename(old: str, new: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")


def stored_later() -> list[Stored]:
    """What stands in the table that is not there yet."""
    rename("outbox_event_later", "outbox_event")
    try:
        return stored()
    finally:
        rename("outbox_event", "outbox_event_later")


def historical_model(name: str, **fields: AnyField) -> Any:
    """A model as a data migration sees it."""
    columns = [("id", models.BigAutoField(primary_key=True)), *fields.items()]
    state = ProjectState()
    state.add_model(ModelState("testapp", name, columns, {"db_table": f"testapp_{name}"}))
    return state.apps.get_model("testapp", name)


def refuse(*args: object) -> None:
    raise AssertionError("a statement was sent")
