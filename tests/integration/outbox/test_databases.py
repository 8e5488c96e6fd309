"""One outbox, in one PostgreSQL database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from django.db import connection, connections, transaction
from django.test.utils import override_settings

import outbox
from local.scratch import ROOT
from outbox.errors import FlushFailed, NotInTransaction, OtherDatabase, UnsupportedDatabase
from tests.app.events import Said
from tests.app.models import Note, Order
from tests.stored import said, stored
from tests.system_checks import messages


class NotesElsewhere:
    """Routes captured orders to one database, the outbox to the other."""

    def db_for_write(self, model: type, **hints: object) -> str | None:
        return "other" if model is Order else None


class OutboxElsewhere:
    def db_for_write(self, model: type, **hints: object) -> str | None:
        return "other"


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
class TestAliases:
    @pytest.fixture(autouse=True)
    def _close(self) -> Iterator[None]:
        """What is left open would block the end of the test; the next has a connection unhooked."""
        yield
        connections["other"].close()
        del connections["other"]

    @pytest.mark.parametrize("inside", [True, False])
    def test_a_row_of_another_database_is_refused_with_both_aliases_and_not_written(
        self, inside: bool
    ) -> None:
        refused = pytest.raises(OtherDatabase, match="'other', but the outbox is in 'default'")
        with refused, transaction.atomic(using="other") if inside else nullcontext():
            Order.objects.using("other").create(number="1")
        assert (Order.objects.count(), stored()) == (0, [])

    def test_a_swallowed_refusal_undoes_the_row_of_the_other_database(self) -> None:
        with transaction.atomic(using="other"), suppress(OtherDatabase):
            Order.objects.using("other").create(number="1")
        assert Order.objects.count() == 0

    def test_a_swallowed_refusal_is_logged_as_a_lost_transaction(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with transaction.atomic(using="other"), suppress(OtherDatabase):
            Order.objects.using("other").create(number="1")
        assert "the transaction will be rolled back: OtherDatabase: testapp.Order" in caplog.text

    def test_a_swallowed_refusal_lets_nothing_commit_where_autocommit_is_off(self) -> None:
        other = connections["other"]
        other.set_autocommit(False)
        with suppress(OtherDatabase):
            Order.objects.using("other").create(number="1")
        with pytest.raises(FlushFailed, match=r"OtherDatabase: testapp\.Order was .*; roll it"):
            other.commit()
        with pytest.raises(FlushFailed):
            other.set_autocommit(True)
        other.rollback()
        Note.objects.using("other").create()
        other.commit()
        other.set_autocommit(True)
        assert (Order.objects.count(), Note.objects.count(), stored()) == (0, 1, [])

    def test_a_row_deleted_in_another_database_is_refused(self) -> None:
        with outbox.suppress():
            Order.objects.create(number="1")
        with pytest.raises(OtherDatabase):
            Order.objects.using("other").all().delete()
        assert Order.objects.count() == 1

    def test_recording_outside_a_transaction_names_the_block_to_open(self) -> None:
        with (
            override_settings(DATABASE_ROUTERS=[OutboxElsewhere()]),
            pytest.raises(NotInTransaction, match=r"'other'; open one with .*\(using='other'\)"),
        ):
            outbox.record(Said(who="me"))

    def test_uncaptured_models_may_be_anywhere(self) -> None:
        Note.objects.using("other").create()
        assert stored() == []

    def test_the_outbox_is_where_the_routers_write_it(self) -> None:
        with override_settings(DATABASE_ROUTERS=[OutboxElsewhere()]):
            Order.objects.create(number="1")
            with transaction.atomic(using="other"):
                outbox.record(Said(who="me", what="a"))
                assert said() == []
        assert [row.type for row in stored()] == ["testapp.order", "test.said"]

    def test_a_model_that_is_routed_away_from_the_outbox_is_named_by_a_check(self) -> None:
        with override_settings(DATABASE_ROUTERS=[NotesElsewhere()]):
            found = messages("outbox.E005")
        assert [each.obj for each in found] == [Order]
        assert "'other', but the outbox is in 'default'" in found[0].msg


SETTINGS = """
from tests.settings import *
DATABASES = {{"default": {{"ENGINE": "{engine}", "NAME": r"{name}"}}}}
"""


def run_sqlite(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    name = folder / "db.sqlite3"
    settings = SETTINGS.format(engine="django.db.backends.sqlite3", name=name)
    (folder / "sqlite_settings.py").write_text(settings)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "sqlite_settings",
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_sqlite_is_refused_by_the_checks_and_by_the_migration(tmp_path: Path) -> None:
    checked = run_sqlite(tmp_path, "-m", "django", "check")
    assert checked.returncode != 0
    assert "outbox.E001" in checked.stderr
    assert "database 'default' is SQLite (sqlite)" in checked.stderr
    migrated = run_sqlite(tmp_path, "-m", "django", "migrate", "--skip-checks")
    assert migrated.returncode != 0
    last = migrated.stderr.strip().splitlines()[-1]
    assert last.startswith("outbox.errors.UnsupportedDatabase: the outbox needs PostgreSQL")
    assert "DATABASE_ROUTERS" in last


def test_recording_on_sqlite_is_refused(tmp_path: Path) -> None:
    code = (
        "import django; django.setup(); import outbox; from django.db import transaction; "
        "from tests.app.events import Said\n"
        "with transaction.atomic(): outbox.record(Said(who='me'))"
    )
    done = run_sqlite(tmp_path, "-c", code)
    assert "UnsupportedDatabase: the outbox needs PostgreSQL" in done.stderr


@pytest.mark.parametrize("write", ["save()", "save_base()", "delete()"])
def test_a_captured_write_on_sqlite_is_refused(tmp_path: Path, write: str) -> None:
    code = (
        "import django; django.setup()\n"
        "from tests.app.models import Order\n"
        f"Order(pk=1, number='1').{write}"
    )
    done = run_sqlite(tmp_path, "-c", code)
    assert "UnsupportedDatabase: the outbox needs PostgreSQL" in done.stderr


@pytest.mark.parametrize("vendor", ["mysql", "oracle", "sqlite"])
def test_any_other_vendor_is_refused_by_name(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(connections["default"]), "vendor", vendor)
    monkeypatch.setattr(type(connections["default"]), "display_name", vendor.title())
    found = messages("outbox.E001")
    assert f"database 'default' is {vendor.title()} ({vendor})" in found[0].msg
    assert found[0].hint


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("vendor", ["mysql", "oracle", "sqlite"])
def test_recording_on_any_other_vendor_is_refused_by_name(
    vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "vendor", vendor, raising=False)
    monkeypatch.setattr(connection, "display_name", vendor.title(), raising=False)
    expected = rf"needs PostgreSQL, but database 'default' is {vendor.title()} \({vendor}\)"
    with pytest.raises(UnsupportedDatabase, match=expected), transaction.atomic():
        outbox.record(Said(who="me"))
    assert stored() == []


@pytest.mark.django_db(transaction=True, databases=["default"])
def test_a_sequence_that_hands_out_blocks_of_ids_is_named_with_the_cure() -> None:
    def cached() -> list[str]:
        return [each.hint or "" for each in messages("outbox.E004", databases=["default"])]

    assert cached() == []
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE outbox_event ALTER COLUMN id SET CACHE 10")
        try:
            (cure,) = cached()
        finally:
            cursor.execute("ALTER TABLE outbox_event ALTER COLUMN id SET CACHE 1")
        cursor.execute(cure)
    assert cached() == []
