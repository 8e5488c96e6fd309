"""What the checks say of writes that no capture sees."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.checks import CheckMessage
from django.db import connection, models
from django.test.utils import isolate_apps, override_settings

import outbox
from outbox import bypasses
from outbox.capture import release
from outbox.links import captured_links
from tests.app.models import Line, Note, Restaurant
from tests.system_checks import messages


class Reports(models.Manager["Note"]):
    def totals(self) -> None:
        """Insert nothing into a table, and update no report; it only reads."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT updated_at FROM insertions")

    def describe(self) -> str:
        return "UPDATE of a row"


class Moves(Reports):
    def close_gap(self) -> None:
        def inner() -> None:
            cursor = connection.cursor()
            cursor.execute("\n  UPDATE %(table)s\n  SET lft = lft - 1")

        inner()


@override_settings(OUTBOX_CAPTURE_RAW=False)
def test_raw_saves_that_are_left_out_are_a_warning() -> None:
    (message,) = messages("outbox.W005")
    assert "loaddata" in message.msg


@override_settings(OUTBOX_CAPTURE_RAW=False)
def test_raw_saves_of_links_are_a_warning_where_somebody_wrote_their_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links = {each.label: [each] for each in captured_links()}
    monkeypatch.setattr(bypasses, "captured_models", list)
    monkeypatch.setattr(bypasses, "captured_links", lambda: links["testapp.Club.members"])
    assert len(messages("outbox.W005")) == 1
    monkeypatch.setattr(bypasses, "captured_links", lambda: links["testapp.Person.friends"])
    assert messages("outbox.W005") == []


@isolate_apps("tests.app")
def test_methods_that_write_by_sql_of_their_own_are_a_warning_unlike_those_that_read() -> None:
    class Reported(models.Model):
        objects = Reports()

        class Meta:
            app_label = "testapp"

    class Moved(models.Model):
        objects = Moves()

        class Meta:
            app_label = "testapp"

    outbox.capture(topic="test.reported")(Reported)
    outbox.capture(topic="test.moved")(Moved)
    try:
        (message,) = messages("outbox.W006")
    finally:
        release(Reported)
        release(Moved)
    assert message.obj is Moved
    assert message.msg.endswith(f"sees: {__name__}.Moves.close_gap.")


@pytest.mark.django_db
class TestTables:
    @pytest.mark.parametrize(
        "action", ["DELETE CASCADE", "DELETE SET NULL", "DELETE SET DEFAULT", "UPDATE CASCADE"]
    )
    def test_a_foreign_key_that_postgresql_follows_is_a_warning(self, action: str) -> None:
        assert self.found("outbox.W007") == []
        self.alter(
            f"ALTER TABLE testapp_line ADD CONSTRAINT by_itself FOREIGN KEY (order_id) "
            f"REFERENCES testapp_order ON {action}"
        )
        (message,) = self.found("outbox.W007")
        assert message.obj is Line
        assert "testapp_line" in message.msg
        assert message.msg.endswith(": by_itself.")

    def test_the_tables_of_parents_count(self) -> None:
        self.alter(
            "ALTER TABLE testapp_place ADD CONSTRAINT by_itself FOREIGN KEY (id) "
            "REFERENCES testapp_note ON DELETE CASCADE"
        )
        (message,) = self.found("outbox.W007")
        assert message.obj is Restaurant

    def test_a_view_is_a_warning(self) -> None:
        self.alter("CREATE VIEW seen AS SELECT * FROM testapp_note")
        with looking_at("seen"):
            (message,) = self.found("outbox.W008")
        assert message.obj is Note

    def test_without_the_database_nothing_is_asked(self) -> None:
        assert [each.id for each in messages() if each.id in ("outbox.W007", "outbox.W008")] == []

    def found(self, identifier: str) -> list[CheckMessage]:
        return messages(identifier, databases=["default"])

    def alter(self, sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(sql)


@contextmanager
def looking_at(view: str) -> Iterator[None]:
    """A captured model that is not managed."""
    patch = pytest.MonkeyPatch()
    patch.setattr(Note._meta, "db_table", view)
    outbox.capture(topic="test.notes")(Note)
    try:
        yield
    finally:
        release(Note)
        patch.undo()
