"""Writes of many rows, of relations, and by what sends no signals."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.db.models.signals import post_save
from django.test.utils import override_settings

import outbox
from outbox.errors import AutocommitRefused, InvalidPayload
from tests.app.models import (
    Article,
    Customer,
    Label,
    Line,
    Order,
    Page,
    Seat,
    Specimen,
    UrgentOrder,
)
from tests.stored import operations, stored
from tests.waiting import meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


def states(topic: str) -> list[Any]:
    return [
        row.json["after"] or row.json["before"]
        for row in stored()
        if row.topic == topic and row.value
    ]


def test_rows_created_in_bulk_have_the_keys_that_the_database_gave() -> None:
    made = Order.objects.bulk_create(
        [Order(number="a"), Order(number=Concat(Value("b"), Value("c")))]
    )
    assert [row.key for row in stored()] == [str(order.pk) for order in made]
    assert operations() == ["create", "create"]
    assert states("test.orders")[1]["number"] == "bc"


def test_a_row_that_bulk_create_ignored_is_no_event() -> None:
    Article.objects.create(slug="one", title="One")
    rows = [Article(slug="one", title="no"), Article(slug="two", title="Two")]
    Article.objects.bulk_create(rows, ignore_conflicts=True)
    Article.objects.bulk_create([Article(slug="one", title="no")], ignore_conflicts=True)
    assert [row.key for row in stored()] == ["one", "two"]


def test_a_row_that_bulk_create_updated_is_an_update() -> None:
    Article.objects.create(slug="one", title="One")
    rows = [Article(slug="one", title="Uno"), Article(slug="two", title="Two")]
    Article.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["slug"], update_fields=["title"]
    )
    assert [(row.key, row.json["op"]) for row in stored()] == [
        ("one", "create"),
        ("one", "update"),
        ("two", "create"),
    ]
    assert states("test.articles")[1]["title"] == "Uno"
    assert [article.pk is not None for article in rows] == [True, True]


def test_an_update_of_a_queryset_is_an_event_for_each_row_with_what_it_became() -> None:
    Order.objects.bulk_create([Order(number="a", quantity=n) for n in (1, 2, 3)])
    assert Order.objects.filter(quantity__gt=1).update(quantity=F("quantity") * 10) == 2
    assert [row.json["after"]["quantity"] for row in stored()[3:]] == [20, 30]


def test_an_update_that_finds_nothing_is_no_event() -> None:
    assert Order.objects.filter(number="none").update(quantity=1) == 0
    assert Order.objects.none().update(quantity=1) == 0
    assert stored() == []


def test_an_update_through_a_join_is_recorded() -> None:
    order = Order.objects.create(number="a")
    order.lines.create(text="x")
    assert Line.objects.filter(order__number="a").update(text="y") == 1
    assert states("test.lines")[-1]["text"] == "y"


def test_a_row_that_goes_by_another_key_is_gone_under_the_old_one() -> None:
    article = Article.objects.create(slug="one", title="One")
    article.slug = "two"
    article.save()
    assert [(row.key, row.value is None) for row in stored()[1:]] == [
        ("one", False),
        ("one", True),
        ("two", False),
    ]
    assert operations() == ["create", "delete", "tombstone", "create"]
    assert states("test.articles")[1]["slug"] == "one"


def test_what_a_moved_row_held_is_what_the_last_writer_before_had_left() -> None:
    article = Article.objects.create(slug="one", title="One")
    with meanwhile(lambda: Article.objects.filter(pk=article.pk).update(slug="two")):
        Article.objects.filter(pk=article.pk).update(title="Uno")
    deleted = [row.json["before"] for row in stored() if row.value and row.json["before"]]
    assert [state["title"] for state in deleted] == ["Uno"]
    assert operations() == ["create", "update", "delete", "tombstone", "create"]


def test_a_primary_key_that_a_queryset_changes_moves_the_row() -> None:
    Seat.objects.create(row="A", number=1)
    Seat.objects.create(row="A", number=2)
    Seat.objects.update(number=F("number") + 10)
    assert [row.key for row in stored()[2:]] == [
        *['["A","1"]', '["A","1"]', '["A","2"]', '["A","2"]'],
        *['["A","11"]', '["A","12"]'],
    ]


def test_a_key_that_stays_as_it_is_is_an_update() -> None:
    article = Article.objects.create(slug="one", title="One")
    article.title = "Uno"
    article.save()
    Article.objects.bulk_update([article], ["slug", "title"])
    assert operations() == ["create", "update", "update"]


def test_columns_set_to_null_by_a_delete_are_updates() -> None:
    author = Customer.objects.create(name="A")
    Article.objects.create(slug="one", title="One", author=author)
    author.delete()
    assert operations() == ["create", "update"]
    assert states("test.articles")[1]["author"] is None


def test_rows_of_a_relation_of_many_are_captured_with_the_model_between() -> None:
    page: Any = Page.objects.create()
    label: Any = Label._default_manager.create()
    other = Label._default_manager.create()
    page.labels.add(label, other)
    page.labels.add(label)
    label.page_set.remove(page)
    label.page_set.set([page])
    other.delete()
    page.labels.clear()
    assert operations("test.page-labels") == [
        *["create", "create", "delete", "tombstone", "create"],
        *["delete", "tombstone", "delete", "tombstone"],
    ]
    assert {state["page_id"] for state in states("test.page-labels")} == {page.pk}


def test_rows_that_a_manager_hides_are_captured() -> None:
    page = Page.objects.create(text="x")
    page.dead = True
    page.save()
    Page(pk=page.pk).delete()
    assert operations("test.pages") == ["create", "update", "delete", "tombstone"]


def test_what_a_field_seals_stays_sealed() -> None:
    page = Page.objects.create(text="abc")
    Page.objects.update(dead=False)
    assert page.text == "abc"
    assert [state["text"] for state in states("test.pages")] == ["cba", "cba"]


def test_what_django_brings_back_for_itself_it_converts_as_ever() -> None:
    page = Page.objects.create()
    (other,) = Page.objects.bulk_create([Page()])
    assert (page.motto, other.motto) == ("hello", "hello")
    assert [state["motto"] for state in states("test.pages")] == ["olleh", "olleh"]


def test_text_is_what_the_database_made_of_it() -> None:
    Specimen.objects.create(duration="00:05", tags="{a,b}", span="[1,4]")
    (state,) = states("test.specimens")
    assert Specimen.objects.get().duration == timedelta(minutes=5)
    assert (state["duration"], state["tags"]) == ("P0DT0H5M0S", ["a", "b"])
    assert state["span"] == {"lower": 1, "upper": 5, "bounds": "[)"}


def test_what_another_receiver_saves_later_is_the_later_event() -> None:
    def improve(instance: Order, created: bool, **kwargs: object) -> None:
        if created:
            Order.objects.filter(pk=instance.pk).update(number="better")

    post_save.connect(improve, sender=Order)
    try:
        Order.objects.create(number="good")
    finally:
        post_save.disconnect(improve, sender=Order)
    assert operations() == ["create", "update"]
    assert states("test.orders")[-1]["number"] == "better"


def test_a_bulk_whose_event_cannot_be_recorded_is_undone() -> None:
    assert connection.get_autocommit()
    Specimen.objects.create(real=1.0)
    with pytest.raises(InvalidPayload):
        Specimen.objects.update(real=float("nan"))
    assert Specimen.objects.get().real == 1.0
    assert operations() == ["create"]


@override_settings(OUTBOX_AUTOCOMMIT="require")
def test_an_update_outside_a_transaction_is_refused_before_anything_is_written() -> None:
    with transaction.atomic():
        Order.objects.create(number="a")
    with pytest.raises(AutocommitRefused, match=r"testapp\.Order"):
        Order.objects.update(number="b")
    assert Order.objects.get().number == "a"
    with outbox.suppress(Order):
        Order.objects.update(number="c")
        Order.objects.get().save()


def test_writes_through_a_suppressed_proxy_are_not_recorded() -> None:
    with outbox.suppress(UrgentOrder):
        order = UrgentOrder.objects.create(number="a")
        order.save()
        UrgentOrder.objects.update(number="b")
        Order.objects.create(number="c")
        UrgentOrder.objects.all().delete()
    assert operations() == ["create"]
