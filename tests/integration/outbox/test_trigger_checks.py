"""What the checks say of models that are captured by a trigger."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField, HStoreField
from django.core.management import call_command
from django.db import models
from django.test.utils import isolate_apps, override_settings

import outbox
from outbox import bypasses
from outbox.capture import captured_models, release
from outbox.coverage import of as coverage_of
from outbox.expressions import _EXPRESSIONS
from tests.app.models import Shelf
from tests.system_checks import messages
from tests.triggers import execute

pytestmark = pytest.mark.django_db


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
