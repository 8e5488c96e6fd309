"""What an update says of the row before it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import override_settings
from pydantic import BaseModel

import outbox
from outbox import statements
from outbox.capture import captured_models, release
from outbox.errors import InvalidCapture
from outbox.sensitive import hashed
from tests.app.models import Article, Ledger, Lorry, Meeting, Member, Note, Order, Vehicle
from tests.stored import operations, stored


class NoteState(BaseModel):
    text: str


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["returned", "joined"])
def old(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By which means the old row is known; before PostgreSQL 18 it has to be joined."""
    if request.param == "joined":
        monkeypatch.setattr(statements, "returns_old", lambda connection: False)
    return str(request.param)


def changes(topic: str = "test.members") -> list[Any]:
    rows = [row.json for row in stored() if row.topic == topic and row.value]
    return [row for row in rows if row["op"] == "update"]


@pytest.mark.usefixtures("old")
class TestBefore:
    def test_an_update_carries_the_state_before_and_the_names_of_what_changed(self) -> None:
        member = Member.objects.create(number=1, name="A")
        member.name = "B"
        member.save()
        (change,) = changes()
        assert (change["before"]["name"], change["after"]["name"]) == ("A", "B")
        assert change["changed"] == ["name"]

    def test_it_is_that_of_the_row_not_of_what_was_loaded(self) -> None:
        member = Member.objects.create(number=1, name="A")
        Member.objects.update(name="B")
        member.name = "C"
        member.save()
        assert [(each["before"]["name"], each["after"]["name"]) for each in changes()] == [
            ("A", "B"),
            ("B", "C"),
        ]

    def test_deferred_columns_and_update_fields_make_no_difference(self) -> None:
        Member.objects.create(number=1, name="A", visits=[1])
        member = Member.objects.only("name").get()
        member.name, member.visits = "B", [9]
        member.save(update_fields=["name"])
        member.refresh_from_db(fields=["visits"])
        member.visits.append(2)
        member.save()
        assert [each["changed"] for each in changes()] == [["name"], ["visits"]]
        assert [each["before"]["visits"] for each in changes()] == [[1], [1]]

    def test_every_row_of_a_queryset_has_its_own(self) -> None:
        Member.objects.bulk_create([Member(number=n, name=str(n)) for n in (1, 2, 3)])
        assert Member.objects.filter(number__gte=2).update(name="x", number=F("number")) == 2
        assert [each["before"]["name"] for each in changes()] == ["2", "3"]

    def test_an_update_through_a_join_finds_the_same_rows(self) -> None:
        member = Member.objects.create(number=1, name="A")
        Member.objects.create(number=2, name="B")
        inner = Member.objects.filter(name="A").values("pk")
        Member.objects.filter(pk__in=inner, number__gt=0).update(name=F("name"), visits=[member.pk])
        (change,) = changes()
        assert (change["after"]["number"], change["changed"]) == (1, ["visits"])

    def test_an_update_that_changes_nothing_is_left_out(self) -> None:
        member = Member.objects.create(number=1, name="A")
        member.save()
        Member.objects.update(name="A")
        Member.objects.update(password="new")
        assert operations("test.members") == ["create"]

    def test_a_row_that_goes_by_another_key_is_gone_under_the_old_one(self) -> None:
        Member.objects.create(number=1, name="A")
        Member.objects.update(number=2)
        assert operations("test.members") == ["create", "delete", "tombstone", "create"]
        assert [row.key for row in stored()] == ["1", "1", "1", "2"]

    def test_only_those_who_ask_for_it_carry_it(self) -> None:
        Article.objects.create(slug="one", title="One")
        Article.objects.update(title="Uno")
        (change,) = changes("test.articles")
        assert change["before"] is None


def test_what_changed_is_known_where_the_statement_returns_the_old_row() -> None:
    Order.objects.create(number="1")
    Order.objects.update(total=Decimal(1))
    Order.objects.update(internal_note="x")
    assert [each["changed"] for each in changes("test.orders")] == [["total"], []]


def test_what_changed_is_absent_where_it_would_have_to_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statements, "returns_old", lambda connection: False)
    Order.objects.create(number="1")
    Order.objects.update(total=Decimal(1))
    assert [each["changed"] for each in changes("test.orders")] == [None]


def upsert() -> None:
    Article.objects.create(slug="one", title="One")
    Article.objects.bulk_create(
        [Article(slug="one", title="Uno"), Article(slug="two", title="Two")],
        update_conflicts=True,
        unique_fields=["slug"],
        update_fields=["title"],
    )


def test_an_upsert_is_told_from_a_create(old: str) -> None:
    upsert()
    assert operations("test.articles") == ["create", "update", "create"]
    known = ["title"] if old == "returned" else None
    assert [each["changed"] for each in changes("test.articles")] == [known]


def test_a_child_says_what_changed_in_any_of_its_tables() -> None:
    lorry = Lorry.objects.create(wheels=4, load=1)
    Lorry.objects.update(load=2, wheels=6)
    Vehicle.objects.filter(pk=lorry.pk).update(wheels=8)
    assert [each["changed"] for each in changes("test.lorries")] == [["wheels", "load"], ["wheels"]]


class TestSensitive:
    def test_a_hashed_value_travels_as_its_hash_and_a_dropped_one_not_at_all(self) -> None:
        Member.objects.create(number=1, email="ada@example.org", password="s3cr3t")
        Member.objects.create(number=2)
        states = [row.json["after"] for row in stored()]
        assert [state["email"] for state in states] == [hashed("ada@example.org"), None]
        assert "password" not in states[0]
        assert not [row for row in stored() if b"ada@" in row.value or b"s3cr3t" in row.value]  # type: ignore[operator]

    def test_equal_values_have_equal_hashes_under_one_key(self) -> None:
        plain = hashed("a")
        assert plain == hashed("a") != hashed("b")
        assert len(plain) == 64
        with override_settings(OUTBOX_HASH_KEY="another"):
            assert hashed("a") != plain

    def test_a_hashed_value_that_changed_is_named(self) -> None:
        Member.objects.create(number=1, email="a@example.org")
        Member.objects.update(email="b@example.org")
        assert changes()[0]["changed"] == ["email"]

    @pytest.mark.parametrize(
        ("options", "fault"),
        [
            ({"sensitive": {"text": "hide"}}, "sensitive.'text'.='hide' is no protection"),
            ({"sensitive": {"id": "hash"}}, "Note.id is the key, which travels in the clear"),
            (
                {"sensitive": {"text": "drop"}, "contract": NoteState},
                "text is to be dropped, but the contract NoteState has it",
            ),
            ({"sensitive": {"none": "hash"}}, "has no column for 'none'"),
        ],
    )
    def test_what_cannot_be_protected_is_refused(self, options: Any, fault: str) -> None:
        try:
            with pytest.raises(InvalidCapture, match=fault):
                outbox.capture(topic="test.notes", **options)(Note)
                _ = next(each for each in captured_models() if each.model is Note).payload
        finally:
            if any(each.model is Note for each in captured_models()):
                release(Note)


@pytest.fixture
def _counting_trigger() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION testapp_count() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF pg_trigger_depth() = 1 THEN UPDATE testapp_ledger SET changes = changes + 1 "
            "WHERE id = NEW.id; END IF; RETURN NULL; END $$;"
            "CREATE TRIGGER count AFTER INSERT OR UPDATE ON testapp_ledger FOR EACH ROW "
            "EXECUTE FUNCTION testapp_count()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION testapp_count() CASCADE")


@pytest.mark.usefixtures("_counting_trigger")
def test_values_that_a_trigger_sets_later_are_read_if_asked_for() -> None:
    ledger = Ledger.objects.create(text="a")
    Ledger.objects.update(text="b")
    ledger.delete()
    states = [row.json["after"] or row.json["before"] for row in stored() if row.value]
    assert [state["changes"] for state in states] == [1, 2, 2]


def test_a_delete_without_tombstone_if_the_setting_says_so() -> None:
    order = Order.objects.create(number="1")
    with override_settings(OUTBOX_TOMBSTONES=False), transaction.atomic():
        order.delete()
    assert operations() == ["create", "delete"]


def test_a_moment_that_moves_by_the_hour_that_a_clock_is_set_back_has_changed() -> None:
    Meeting.objects.create(starts=datetime(2024, 10, 27, 0, 30, tzinfo=UTC))
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'Europe/Berlin'")
    try:
        Meeting.objects.update(starts=F("starts") + timedelta(hours=1))
    finally:
        connection.close()
    assert [row["changed"] for row in changes("test.meetings")] == [["starts", "ends"]]
