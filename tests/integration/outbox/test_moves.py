"""Rows that go by another key than before."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import Case, Count, F, Q, Value, When
from django.db.models.expressions import RawSQL
from django.test.utils import isolate_apps

from outbox import statements, tables
from outbox.captured import Captured
from outbox.contracts import contract_of
from outbox.errors import KeyUnknown
from outbox.options import Options
from outbox.payload import payload_of
from tests.app.models import Article, Code, Customer, Seat, Specimen, Switch
from tests.stored import operations, stored
from tests.waiting import meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["returned", "joined"], autouse=True)
def old(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By which means the old row is known; before PostgreSQL 18 it has to be joined."""
    if request.param == "joined":
        monkeypatch.setattr(statements, "returns_old", lambda connection: False)
    return str(request.param)


def keys() -> list[str]:
    """Of each event; that of a tombstone ends with a dagger."""
    return [row.key + ("" if row.value else "\N{DAGGER}") for row in stored()]


def test_a_key_that_the_database_computes_moves_the_row() -> None:
    code = Code.objects.create(name="One")
    Code.objects.update(name="Two")
    code.name = "Three"
    code.save()
    assert keys() == ["one", "one", "one†", "two", "two", "two†", "three"]


@isolate_apps("tests.app")
def test_another_model_of_the_same_table_moves_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(models.Model):
        slug = models.TextField()
        objects: Any = models.Manager()

        class Meta:
            app_label = "testapp"
            db_table = "testapp_article"
            managed = False

    monkeypatch.setattr(Other._meta, "apps", apps)
    article = Article.objects.create(slug="one", title="One")
    Other.objects.update(slug="two")
    Other(id=article.pk, slug="three").save()
    assert keys() == ["one", "one", "one†", "two", "two", "two†", "three"]


def test_two_keys_in_json_are_not_the_same_because_python_holds_them_for_equal() -> None:
    payload = payload_of(Specimen, Options(key="data"))
    assert payload.same_key({"data": 1}, {"data": 1})
    assert not payload.same_key({"data": 1}, {"data": True})


def test_an_upsert_that_gives_another_key_moves_the_row_or_is_refused(old: str) -> None:
    article = Article.objects.create(slug="one", title="One")
    moved = [Article(id=article.pk, slug="two", title="Two")]

    def upsert() -> None:
        Article.objects.bulk_create(
            moved, update_conflicts=True, unique_fields=["id"], update_fields=["slug", "title"]
        )

    if old == "returned":
        upsert()
        assert keys() == ["one", "one", "one†", "two"]
    else:
        with pytest.raises(KeyUnknown, match="use update"):
            upsert()


@pytest.mark.parametrize(
    "rows",
    [
        lambda: Article.objects.distinct(),
        lambda: Article.objects.values("title").annotate(n=Count("id")),
        lambda: Article.objects.exclude(author__name="x"),
        lambda: Article.objects.filter(Q(author__name="A") | Q(title="One")),
        lambda: Article.objects.filter(author__name="A").order_by("author__name"),
        lambda: Article.objects.all(),
    ],
    ids=["distinct", "group by", "exclude", "or", "join", "all"],
)
@pytest.mark.parametrize("value", ["two", RawSQL("slug || %s", ["x"])], ids=["value", "raw"])
def test_whatever_django_updates_is_updated(rows: Any, value: Any) -> None:
    author = Customer.objects.create(name="A")
    Article.objects.create(slug="one", title="One", author=author)
    assert rows().update(slug=value) == 1
    new = Article.objects.get().slug
    assert keys() == ["one", "one", "one†", new]


def test_rows_that_a_condition_only_looks_at_are_not_locked() -> None:
    author = Customer.objects.create(name="A")
    Article.objects.create(slug="one", title="One", author=author)
    with (
        pytest.raises(AssertionError, match="it did not wait"),
        meanwhile(lambda: Customer.objects.update(name="B")),
    ):
        Article.objects.filter(author__name="A").update(slug="two")


def test_no_update_is_lost_when_two_move_the_same_row() -> None:
    Seat.objects.create(row="A", number=1)
    with meanwhile(lambda: Seat.objects.filter(row="A").update(number=F("number") + 10)):
        Seat.objects.filter(row="A").update(number=F("number") + 10)
    assert Seat.objects.get().number == 21
    assert keys() == ['["A","1"]'] * 2 + ['["A","1"]†'] + ['["A","11"]'] * 2 + [
        '["A","11"]†',
        '["A","21"]',
    ]


def test_rows_that_change_keys_among_themselves_all_stay() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'testapp_article'::regclass "
            "AND contype = 'u'"
        )
        ((name,),) = cursor.fetchall()
        cursor.execute(
            f"ALTER TABLE testapp_article DROP CONSTRAINT {name}, "
            f"ADD CONSTRAINT {name} UNIQUE (slug) DEFERRABLE INITIALLY DEFERRED"
        )
    try:
        Article.objects.bulk_create([Article(slug=slug, title=slug) for slug in ("a", "b")])
        other = RawSQL("CASE slug WHEN %s THEN 'b' ELSE 'a' END", ["a"])
        Article.objects.update(slug=other)
        assert keys() == ["a", "b", "a", "a†", "b", "b†", "b", "a"]
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                f"ALTER TABLE testapp_article DROP CONSTRAINT {name}, "
                f"ADD CONSTRAINT {name} UNIQUE (slug)"
            )


@pytest.fixture
def keyed_by_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Specimens go by a moment each, and their state is one that could wait."""
    line = contract_of("Specimen", type="test.moment", version=1, topic="test.moments", key=None)
    captured = Captured(Specimen, line, Options(key="moment", fields=["text"]))
    monkeypatch.setitem(tables._tables, Specimen._meta.db_table, tables.Table(Specimen, [captured]))


@pytest.mark.usefixtures("keyed_by_moments")
def test_moments_that_python_takes_for_equal_are_two_keys_all_the_same() -> None:
    first, second = (datetime(2024, 10, 27, hour, 30, tzinfo=UTC) for hour in (0, 1))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Europe/Berlin'")
        Specimen.objects.bulk_create([Specimen(moment=first), Specimen(moment=second)])
        other = Case(When(moment=first, then=Value(second)), default=Value(first))
        Specimen.objects.update(moment=other)
    one, two = "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"
    assert keys() == [one, two, one, f"{one}†", two, f"{two}†", two, one]


def test_an_update_finds_a_row_whose_primary_key_another_transaction_changes() -> None:
    article = Article.objects.create(slug="one", title="One")
    with meanwhile(lambda: Article.objects.filter(title="One").update(slug="two")):
        Article.objects.update(id=article.pk + 1_000)
    assert Article.objects.get().slug == "two"


def test_an_upsert_is_told_from_a_create_whatever_the_primary_key() -> None:
    for text in ("a", "b"):
        Switch.objects.bulk_create(
            [Switch(on=True, text=text), Switch(on=False, text=text)],
            update_conflicts=True,
            unique_fields=["on"],
            update_fields=["text"],
        )
    assert operations("test.switches") == ["create", "create", "update", "update"]
