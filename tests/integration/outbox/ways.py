"""Every way in which Django's ORM writes rows; `n` chooses among rows and values."""

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Model

from tests.app.models import (
    Article,
    Car,
    Customer,
    Label,
    Line,
    Listing,
    Lorry,
    Member,
    Order,
    Remark,
    Seat,
    Shelf,
    Talk,
    UrgentOrder,
    Vehicle,
)

EMPTY = """
    TRUNCATE testapp_order, testapp_article, testapp_vehicle, testapp_seat, testapp_member,
    testapp_customer, testapp_talk, testapp_label, testapp_remark, testapp_note, testapp_shelf,
    outbox_event
    RESTART IDENTITY CASCADE
"""


def empty_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    ContentType.objects.get_for_models(Order, Talk)  # known from now on, to async code as well


class Rows:
    """Rows to begin with; nothing of them is random, so that a failure can be had again."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers

    def number(self) -> int:
        return next(self._numbers)

    def text(self) -> str:
        return f"text {self.number()}"

    def some(self, model: Any, n: int) -> Any:
        """An instance, made if there is none."""
        rows = list(model.objects.order_by("pk"))
        return rows[n % len(rows)] if rows else getattr(self, f"new_{model.__name__.lower()}")()

    def new_customer(self) -> Customer:
        return Customer.objects.create(id=UUID(int=self.number()), name=self.text())

    def new_order(self) -> Order:
        return Order.objects.create(number=self.text())

    def new_article(self) -> Article:
        return Article.objects.create(slug=self.text(), title=self.text())

    def new_vehicle(self) -> Vehicle:
        return Vehicle.objects.create(wheels=self.number())

    def new_lorry(self) -> Lorry:
        return Lorry.objects.create(wheels=self.number(), load=1)

    def new_member(self) -> Member:
        return Member.objects.create(number=self.number(), password="secret")

    def new_label(self) -> Label:
        return Label.objects.create(name=self.text())

    def new_talk(self) -> Talk:
        return Talk.objects.create(title=self.text())

    def new_shelf(self) -> Shelf:
        return Shelf.objects.create(code=self.text(), books=1)


class Instances(Rows):
    def create(self, n: int) -> None:
        new = (self.new_order, self.new_article, self.new_vehicle, self.new_lorry, self.new_member)
        new[n % 5]()

    def save(self, n: int) -> None:
        order = self.some(Order, n)
        order.number, order.quantity = self.text(), F("quantity") + n
        order.save()

    def save_some_fields(self, n: int) -> None:
        order = self.some(Order, n)
        order.number, order.quantity = self.text(), 99
        order.save(update_fields=["number"])

    def save_unchanged(self, n: int) -> None:
        self.some((Member, Order)[n % 2], n).save()

    def save_under_another_key(self, n: int) -> None:
        article, member = self.some(Article, n), self.some(Member, n)
        article.slug, member.number = self.text(), self.number()
        article.save()
        member.save()

    def save_with_another_primary_key(self, n: int) -> None:
        order = self.some(Order, n)
        order.pk = 1_000 + self.number()
        order.save()

    def save_a_proxy(self, n: int) -> None:
        self.some(Order, n)
        order = UrgentOrder.objects.order_by("pk")[0]
        order.number = self.text()
        order.save()
        UrgentOrder.objects.create(number=self.text())

    def save_raw(self, n: int) -> None:
        order, lorry = self.some(Order, n), self.some(Lorry, n)
        order.number, lorry.load = self.text(), self.number()
        for loaded in serializers.deserialize(
            "json", serializers.serialize("json", [order, lorry])
        ):
            loaded.save()
        Order(pk=2_000 + self.number(), number=self.text()).save_base(raw=True)

    def get_or_create(self, n: int) -> None:
        Seat.objects.get_or_create(row="C", number=n % 3)

    def update_or_create(self, n: int) -> None:
        Seat.objects.update_or_create(row="B", number=n % 3, defaults={"taken": n % 2 == 0})

    def delete(self, n: int) -> None:
        models: tuple[type[Model], ...] = (Order, Article, Vehicle, Lorry, Talk, Member)
        self.some(models[n % 6], n).delete()

    def fail(self, n: int) -> None:
        known = self.some(Article, n).slug
        with contextlib.suppress(IntegrityError), transaction.atomic():
            self.new_order()
            Article.objects.create(slug=known, title="twice")


class Bulks(Rows):
    def create(self, n: int) -> None:
        Order.objects.bulk_create([Order(number=self.text()) for _ in range(n % 7)])

    def create_or_ignore(self, n: int) -> None:
        known = self.some(Article, n).slug
        rows = [Article(slug=known, title="no"), Article(slug=self.text(), title="yes")]
        Article.objects.bulk_create(rows[n % 2 :] + rows[: n % 2], ignore_conflicts=True)

    def create_or_update(self, n: int) -> None:
        known = self.some(Article, n).slug
        rows = [Article(slug=known, title=self.text()), Article(slug=self.text(), title="new")]
        Article.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["slug"], update_fields=["title"]
        )

    def create_or_move(self, n: int) -> None:
        known = self.some(Article, n)
        Article.objects.bulk_create(
            [Article(pk=known.pk, slug=self.text(), title="moved")],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["slug", "title"],
        )

    def update(self, n: int) -> None:
        self.some(Order, n)
        orders = list(Order.objects.all())
        for order in orders:
            order.total = Decimal(n)
        Order.objects.bulk_update(orders, ["total"], batch_size=2)

    def move(self, n: int) -> None:
        self.some(Article, n)
        articles = list(Article.objects.order_by("pk")[:3])
        for article in articles:
            article.slug = self.text()
        Article.objects.bulk_update(articles, ["slug"])


class Querysets(Rows):
    def update(self, n: int) -> None:
        Order.objects.filter(pk__gt=n).update(quantity=F("quantity") + 1)

    def update_nothing(self, n: int) -> None:
        Member.objects.update(name=F("name"))

    def update_through_a_join(self, n: int) -> None:
        Line.objects.filter(order__quantity__gt=n % 3).update(text=self.text())

    def update_the_key(self, n: int) -> None:
        Article.objects.filter(pk=self.some(Article, n).pk).update(slug=self.text())

    def update_all_keys(self, n: int) -> None:
        Member.objects.update(number=-F("number"))

    def update_a_primary_key(self, n: int) -> None:
        Seat.objects.get_or_create(row="A", number=n)
        Seat.objects.filter(row="A", number=n).update(number=1_000 + self.number())

    def update_a_proxy(self, n: int) -> None:
        UrgentOrder.objects.update(quantity=n)

    def delete(self, n: int) -> None:
        Order.objects.filter(pk__lte=n).delete()
        Vehicle.objects.filter(wheels=n).delete()

    def delete_fast(self, n: int) -> None:
        Line.objects.filter(pk__lte=n)._raw_delete("default")


class Children(Rows):
    """By multi-table inheritance."""

    def save(self, n: int) -> None:
        lorry = self.some(Lorry, n)
        lorry.wheels, lorry.load = n, n
        lorry.save(update_fields=[None, ["wheels"], ["load"]][n % 3])

    def save_deferred(self, n: int) -> None:
        self.some(Lorry, n)
        lorry = Lorry.objects.only("load").order_by("pk")[0]
        lorry.load = n
        lorry.save()

    def save_the_parent(self, n: int) -> None:
        vehicle = self.some(Vehicle, n)
        vehicle.wheels = self.number()
        vehicle.save()

    def adopt(self, n: int) -> None:
        vehicle = self.new_vehicle()
        (Car, Lorry)[n % 2](vehicle_ptr=vehicle, wheels=n).save()

    def update(self, n: int) -> None:
        Lorry.objects.update(**[{"load": n}, {"wheels": n}, {"load": n, "wheels": n}][n % 3])

    def update_the_parents(self, n: int) -> None:
        Vehicle.objects.update(wheels=n)

    def keep_the_parent(self, n: int) -> None:
        self.some(Lorry, n).delete(keep_parents=True)


class Relations(Rows):
    def create(self, n: int) -> None:
        customer, order = self.some(Customer, n), self.some(Order, n)
        order.customer = customer
        order.save()
        order.lines.create(text=self.text())
        customer.article_set.create(slug=self.text(), title="t")
        customer.talk_set.create(title=self.text())

    def one_to_many(self, n: int) -> None:
        order, other = self.some(Order, n), self.new_order()
        line = Line.objects.create(order=order)
        other.lines.add(line)
        other.lines.set([line, Line(order=order, text="y")], bulk=False)

    def unrelate(self, n: int) -> None:
        customer = self.some(Customer, n)
        customer.article_set.add(self.some(Article, n))
        customer.article_set.clear()

    def delete_the_target(self, n: int) -> None:
        """A cascade onto orders and their lines, columns set to null and to a default."""
        customer = self.some(Customer, n)
        Article.objects.update(author=customer)
        Talk.objects.update(speaker=customer)
        customer.delete()

    def rows_between(self, n: int) -> None:
        talk, label = self.some(Talk, n), self.some(Label, n)
        ways: list[Callable[[], object]] = [
            lambda: talk.labels.add(label, through_defaults={"rank": n}),
            lambda: Listing.objects.create(talk=talk, label=label),
            lambda: Listing.objects.update(rank=F("rank") + 1),
            lambda: label.listed.clear(),
            lambda: talk.labels.set([label]),
        ]
        ways[n % 5]()

    def generic(self, n: int) -> None:
        talk, order = self.some(Talk, n), self.some(Order, n)
        remark = talk.remarks.create(text=self.text())
        ways: list[Callable[[], object]] = [
            lambda: Remark.objects.create(about=order),
            lambda: self.new_talk().remarks.add(remark),
            lambda: talk.delete(),
        ]
        ways[n % 3]()

    def delete_a_label(self, n: int) -> None:
        self.some(Label, n).delete()


class Asynchronous(Rows):
    """The asynchronous twins."""

    def instance(self, n: int) -> None:
        async def work() -> None:
            order = await Order.objects.acreate(number=self.text())
            order.number = self.text()
            await order.asave()
            if n % 2:
                await order.adelete()

        async_to_sync(work)()

    def queryset(self, n: int) -> None:
        async def work() -> None:
            seats = Seat.objects
            await seats.aget_or_create(row="D", number=n % 3)
            await seats.aupdate_or_create(row="D", number=n % 2, defaults={"taken": True})
            await seats.filter(number=n).aupdate(taken=False)
            await seats.filter(number=n % 2).adelete()

        async_to_sync(work)()

    def bulk(self, n: int) -> None:
        async def work() -> None:
            rows = [Order(number=self.text()) for _ in range(n)]
            made = await Order.objects.abulk_create(rows)
            for order in made:
                order.quantity = n
            await Order.objects.abulk_update(made, ["quantity"])

        async_to_sync(work)()


class Managers(Rows):
    """Of each kind of relation, every method of its manager; one to many has not all of them."""

    def of_one_to_many(self, n: int) -> None:
        order, line = self.some(Order, n), Line.objects.create(order=self.new_order())
        self._change(order.lines, n, line, "text")

    def of_one_to_many_or_none(self, n: int) -> None:
        self._change(self.some(Customer, n).article_set, n, self.some(Article, n), "slug")

    def of_many_to_many(self, n: int) -> None:
        self._change(self.some(Talk, n).tags, n, self.some(Label, n), "name")

    def of_many_to_many_from_the_other_side(self, n: int) -> None:
        self._change(self.some(Label, n).tagged, n, self.some(Talk, n), "title")

    def of_a_generic_relation(self, n: int) -> None:
        remark = Remark.objects.create(about=self.some(Order, n))
        self._change(self.some(Talk, n).remarks, n, remark, "text")

    def _change(self, manager: Any, n: int, row: Model, column: str) -> None:
        if hasattr(manager, name := CHANGES[n % len(CHANGES)]):
            if name == "remove":
                manager.add(row)  # others than these are refused, or nothing happens
            self._call(manager, name, *self._arguments(name, row, column, n))

    def _arguments(
        self, name: str, row: Model, column: str, n: int
    ) -> tuple[list[Any], dict[str, Any]]:
        match name:
            case "create":
                return [], {column: self.text()}
            case "get_or_create":
                return [], {column: f"got {n}"}
            case "update_or_create":
                return [], {column: f"got {n}", "defaults": {column: self.text()}}
            case "set":
                return [[row]], {}
            case "clear":
                return [], {}
            case _:
                return [row], {}

    def _call(self, manager: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        getattr(manager, name)(*args, **kwargs)


CHANGES = ["add", "create", "get_or_create", "update_or_create", "set", "remove", "clear"]


class AsynchronousManagers(Managers):
    """The asynchronous twins."""

    def _call(self, manager: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        async def work() -> None:
            await getattr(manager, f"a{name}")(*args, **kwargs)

        async_to_sync(work)()


class PastDjango(Rows):
    """Statements that Django does not compile, to a table that is captured by trigger."""

    def insert(self, n: int) -> None:
        sql = "INSERT INTO testapp_shelf (code, label, books) VALUES (%s, %s, 1)"
        self._execute(f"{sql}, (%s, '', 2)", self.text(), self.text(), self.text())

    def insert_or_update(self, n: int) -> None:
        self._execute(
            "INSERT INTO testapp_shelf (code, label, books) VALUES (%s, %s, 1), (%s, '', 1) "
            "ON CONFLICT (code) DO UPDATE SET label = excluded.label",
            *(self.some(Shelf, n).code, self.text(), self.text()),
        )

    def update(self, n: int) -> None:
        self._execute("UPDATE testapp_shelf SET books = books + 1 WHERE id > %s", n)

    def update_the_keys(self, n: int) -> None:
        self._execute("UPDATE testapp_shelf SET code = code || %s", f" {self.number()}")

    def exchange_the_keys(self, n: int) -> None:
        """One takes the key that another leaves, in one transaction."""
        one, other = self.some(Shelf, n), self.new_shelf()
        move = "UPDATE testapp_shelf SET code = %s WHERE code = %s"
        with transaction.atomic():
            self._execute(move, "free", one.code)
            self._execute(move, one.code, other.code)
            self._execute(move, other.code, "free")

    def delete(self, n: int) -> None:
        self._execute(
            "WITH gone AS (DELETE FROM testapp_shelf WHERE id %% 3 = %s RETURNING 1) "
            "SELECT count(*) FROM gone",
            n % 3,
        )

    def copy(self, n: int) -> None:
        sql = "COPY testapp_shelf (code, label, books) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(sql) as copy:
            for _ in range(n):
                copy.write_row((self.text(), "copied", n))

    def raw(self, n: int) -> None:
        list(Shelf.objects.raw("UPDATE testapp_shelf SET label = %s RETURNING *", [self.text()]))

    def by_django(self, n: int) -> None:
        shelf = self.some(Shelf, n)
        ways: list[Callable[[], object]] = [
            lambda: Shelf.objects.bulk_create([Shelf(code=self.text()), Shelf(code=self.text())]),
            lambda: Shelf.objects.update(books=F("books") + n),
            lambda: Shelf(pk=shelf.pk, code=self.text()).save(),
            lambda: shelf.delete(),
        ]
        ways[n % 4]()

    def _execute(self, sql: str, *params: str | int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)


def _ways(*kinds: type[Rows]) -> list[tuple[type[Rows], str]]:
    return [
        (kind, name)
        for kind in kinds
        for name in dir(kind)
        if name not in dir(Rows) and not name.startswith("_")
    ]


WAYS = _ways(
    Instances,
    Bulks,
    Querysets,
    Children,
    Relations,
    Asynchronous,
    Managers,
    AsynchronousManagers,
)
PAST_DJANGO = _ways(PastDjango)
