"""Whichever way rows are written: the events, applied in order, give the rows."""

import contextlib
import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.signals import post_save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.models import Article, Car, Customer, Line, Lorry, Order, Seat, Vehicle
from tests.stored import stored

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "test.orders": (Order, ("id",)),
    "test.lines": (Line, ("id",)),
    "test.articles": (Article, ("slug",)),
    "test.vehicles": (Vehicle, ("id",)),
    "test.lorries": (Lorry, ("vehicle_ptr_id",)),
    "test.seats": (Seat, ("row", "number")),
}
ARTICLE = {"slug": "slug", "title": "title", "author": "author_id"}

Step = tuple[Any, ...]


class Writes:
    """Every way to write; `n` chooses among rows and values."""

    def __init__(self) -> None:
        self._numbers = count()

    def text(self) -> str:
        return f"text {next(self._numbers)}"

    def some(self, model: Any, n: int) -> Any:
        """An instance, made if there is none."""
        rows = list(model.objects.order_by("pk"))
        return rows[n % len(rows)] if rows else getattr(self, f"new_{model.__name__.lower()}")()

    def new_customer(self) -> Customer:
        return Customer.objects.create(name=self.text())

    def new_order(self) -> Order:
        return Order.objects.create(number=self.text())

    def new_article(self) -> Article:
        return Article.objects.create(slug=self.text(), title=self.text())

    def new_vehicle(self) -> Vehicle:
        return Vehicle.objects.create(wheels=next(self._numbers))

    def new_lorry(self) -> Lorry:
        return Lorry.objects.create(wheels=next(self._numbers), load=1)

    def create(self, n: int) -> None:
        (self.new_order, self.new_article, self.new_vehicle, self.new_lorry)[n % 4]()

    def create_with_relations(self, n: int) -> None:
        customer = self.some(Customer, n)
        order = Order.objects.create(number=self.text(), customer=customer)
        order.lines.create(text=self.text())
        Article.objects.create(slug=self.text(), title="t", author=customer)

    def save(self, n: int) -> None:
        order = self.some(Order, n)
        order.number, order.quantity = self.text(), F("quantity") + n
        order.save()

    def save_some_fields(self, n: int) -> None:
        order = self.some(Order, n)
        order.number, order.quantity = self.text(), 99
        order.save(update_fields=["number"])

    def save_deferred(self, n: int) -> None:
        self.some(Lorry, n)
        lorry = Lorry.objects.only("load").order_by("pk")[0]
        lorry.load = n
        lorry.save()

    def save_child(self, n: int) -> None:
        lorry = self.some(Lorry, n)
        lorry.wheels, lorry.load = n, n
        lorry.save(update_fields=[None, ["wheels"], ["load"]][n % 3])

    def save_parent_of_child(self, n: int) -> None:
        vehicle = self.some(Vehicle, n)
        vehicle.wheels = next(self._numbers)
        vehicle.save()

    def adopt(self, n: int) -> None:
        vehicle = self.new_vehicle()
        (Car, Lorry)[n % 2](vehicle_ptr=vehicle, wheels=n).save()

    def bulk_create(self, n: int) -> None:
        Order.objects.bulk_create([Order(number=self.text()) for _ in range(n % 7)])

    def bulk_create_or_ignore(self, n: int) -> None:
        known = self.some(Article, n).slug
        rows = [Article(slug=known, title="no"), Article(slug=self.text(), title="yes")]
        Article.objects.bulk_create(rows[n % 2 :] + rows[: n % 2], ignore_conflicts=True)

    def bulk_create_or_update(self, n: int) -> None:
        known = self.some(Article, n).slug
        rows = [Article(slug=known, title=self.text()), Article(slug=self.text(), title="new")]
        Article.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["slug"], update_fields=["title"]
        )

    def bulk_create_or_move(self, n: int) -> None:
        known = self.some(Article, n)
        Article.objects.bulk_create(
            [Article(pk=known.pk, slug=self.text(), title="moved")],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["slug", "title"],
        )

    def bulk_update(self, n: int) -> None:
        self.some(Order, n)
        orders = list(Order.objects.all())
        for order in orders:
            order.total = Decimal(n)
        Order.objects.bulk_update(orders, ["total"], batch_size=2)

    def update(self, n: int) -> None:
        Order.objects.filter(pk__gt=n).update(quantity=F("quantity") + 1)

    def update_through_a_join(self, n: int) -> None:
        Line.objects.filter(order__quantity__gt=n % 3).update(text=self.text())

    def update_children(self, n: int) -> None:
        Lorry.objects.update(**[{"load": n}, {"wheels": n}, {"load": n, "wheels": n}][n % 3])

    def update_parents(self, n: int) -> None:
        Vehicle.objects.update(wheels=n)

    def update_the_key(self, n: int) -> None:
        Article.objects.filter(pk=self.some(Article, n).pk).update(slug=self.text())

    def update_a_primary_key(self, n: int) -> None:
        Seat.objects.get_or_create(row="A", number=n)
        Seat.objects.filter(row="A", number=n).update(number=1_000 + next(self._numbers))

    def update_or_create(self, n: int) -> None:
        Seat.objects.update_or_create(row="B", number=n % 3, defaults={"taken": n % 2 == 0})

    def relate(self, n: int) -> None:
        order, other = self.some(Order, n), self.new_order()
        line = Line.objects.create(order=order)
        other.lines.add(line)
        other.lines.set([line, Line(order=order, text="y")], bulk=False)

    def set_to_null(self, n: int) -> None:
        customer = self.some(Customer, n)
        Article.objects.update(author=customer)
        customer.delete()

    def unrelate(self, n: int) -> None:
        customer = self.some(Customer, n)
        customer.article_set.add(self.some(Article, n))
        customer.article_set.clear()

    def delete(self, n: int) -> None:
        self.some((Order, Article, Vehicle, Lorry)[n % 4], n).delete()

    def delete_many(self, n: int) -> None:
        model = (Order, Line, Article, Vehicle, Lorry, Seat)[n % 6]
        model.objects.all().delete()

    def keep_parents(self, n: int) -> None:
        self.some(Lorry, n).delete(keep_parents=True)

    def fail(self, n: int) -> None:
        known = self.some(Article, n).slug
        with contextlib.suppress(IntegrityError), transaction.atomic():
            self.new_order()
            Article.objects.create(slug=known, title="twice")


WRITES = sorted(name for name in vars(Writes) if not name.startswith(("_", "new_", "some", "text")))
WRITE = st.tuples(st.sampled_from(WRITES), st.integers(0, 8))


def nested(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    body = st.lists(steps, min_size=1, max_size=4)
    return st.tuples(st.just("atomic"), st.booleans(), body)


PROGRAMS = st.lists(st.recursive(WRITE, nested, max_leaves=6), min_size=1, max_size=6)


class Stop(Exception):
    pass


def meddle(instance: Any, created: bool, **kwargs: object) -> None:
    """A receiver that writes what it was told of, another time or not at all."""
    if created and instance.pk % 3 == 0:
        type(instance).objects.filter(pk=instance.pk).update(**{MEDDLED[type(instance)]: 77})
    if created and instance.pk % 3 == 1:
        with contextlib.suppress(Stop), transaction.atomic():
            type(instance).objects.filter(pk=instance.pk).update(**{MEDDLED[type(instance)]: 78})
            raise Stop


MEDDLED: dict[type, str] = {Order: "quantity", Vehicle: "wheels", Lorry: "load"}


@pytest.fixture(autouse=True)
def _meddling() -> Iterator[None]:
    for model in MEDDLED:
        post_save.connect(meddle, sender=model)
    yield
    for model in MEDDLED:
        post_save.disconnect(meddle, sender=model)


def run(writes: Writes, steps: list[Step]) -> None:
    for name, *arguments in steps:
        if name != "atomic":
            getattr(writes, name)(*arguments)
            continue
        succeeds, body = arguments
        with contextlib.suppress(Stop), transaction.atomic():
            run(writes, body)
            if not succeeds:
                raise Stop


def applied() -> dict[str, dict[str, Any]]:
    """What a consumer has that began with nothing: the state of each key, by topic."""
    states: dict[str, dict[str, Any]] = {topic: {} for topic in CAPTURED}
    for row in stored():
        state = states[row.topic]
        if row.value is None:
            assert row.key not in state
        elif (change := row.json)["op"] == "delete":
            assert change["before"] == state.pop(row.key)
        else:
            assert (change["op"] == "create") == (row.key not in state)
            state[row.key] = change["after"]
    return states


@pytest.mark.parametrize("outer", [contextlib.nullcontext, transaction.atomic])
@given(program=PROGRAMS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_events_of_any_program_applied_in_order_give_the_rows(
    outer: Any, program: list[Step]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE testapp_order, testapp_article, testapp_vehicle, testapp_seat, "
            "testapp_customer, outbox_event CASCADE"
        )
    with outer():
        run(Writes(), program)
    assert applied() == {topic: rows(model, key) for topic, (model, key) in CAPTURED.items()}


def rows(model: Any, key: tuple[str, ...]) -> dict[str, Any]:
    """The rows as a consumer should know them, read by Django and nothing of the outbox."""
    found = {}
    for values in model.objects.values():
        if model is Article:
            values = {
                "slug": values["slug"],
                "title": values["title"],
                "author": values["author_id"],
            }
        state = {name: plain(value) for name, value in values.items() if name != "internal_note"}
        parts = [str(values[name]) for name in key]
        found[parts[0] if len(parts) == 1 else json.dumps(parts, separators=(",", ":"))] = state
    return found


def plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal | UUID) else value
