"""The `assertNumQueries` of the run of Django's own tests."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

import outbox
from outbox import buffer, reading
from outbox.recorded import Recorded
from tests.app.models import Line, Lorry, Motorboat, Order, Vehicle
from tests.django_suite.counting import Counted

pytestmark = pytest.mark.django_db(transaction=True)

WRITES: dict[str, Callable[[], object]] = {
    "a create": lambda: Order.objects.create(number="3"),
    "an update": lambda: Order.objects.update(quantity=4),
    "a save": lambda: QuerySet(Order)[0].save(),
    "bulk_create": lambda: Order.objects.bulk_create([Order(number=str(n)) for n in range(30)]),
    "a delete with a cascade": lambda: QuerySet(Order)[0].delete(),
    "a fast delete": lambda: Line.objects.all().delete(),
    "a child": lambda: Lorry.objects.create(),
    "a save of a child": lambda: QuerySet(Lorry)[0].save(),
    "an update of children": lambda: Lorry.objects.update(load=3),
    "an update of parents": lambda: Vehicle.objects.update(wheels=8),
    "a delete of children": lambda: Lorry.objects.all().delete(),
    "a save of a parent of a child that is not there": lambda: QuerySet(Motorboat)[0].save(),
    "a read": lambda: list(Order.objects.all()),
}


class Surplus:
    """A statement more for each row."""

    def added(self, row: Recorded, position: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    def truncated(self, position: int) -> None: ...

    def committed(self) -> None: ...


@pytest.fixture(autouse=True)
def seed() -> Callable[[], None]:
    def seed() -> None:
        with outbox.suppress():
            for model in (Order, Vehicle, Motorboat):
                QuerySet(model).delete()
            for number in "12":
                Line.objects.create(order=Order.objects.create(number=number))
                Lorry.objects.create()
            Motorboat.objects.create(name="a")

    seed()
    return seed


def counted(queries: int) -> Counted:
    return Counted(TransactionTestCase(), queries, connection)


def plain(write: Callable[[], object]) -> int:
    """How many queries it takes where nothing is recorded."""
    with CaptureQueriesContext(connection) as queries, outbox.suppress():
        write()
    return len(queries)


@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_the_reference_states_is_allowed(
    write: Callable[[], object],
    around: Callable[[], AbstractContextManager[Any]],
    seed: Callable[[], None],
) -> None:
    with around():
        queries = plain(write)
    seed()
    with around(), counted(queries):
        write()


def test_a_surplus_statement_for_each_row_is_noticed() -> None:
    surplus = Surplus()
    watchers = buffer.buffer_of(connection).watchers
    watchers.append(surplus)
    try:
        with pytest.raises(AssertionError, match="4 queries"), transaction.atomic(), counted(1):
            Order.objects.bulk_create([Order(number=number) for number in "345"])
    finally:
        watchers.remove(surplus)


def test_children_that_are_read_one_by_one_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS_PER_QUERY", 1)
    with pytest.raises(AssertionError, match="3 queries"), transaction.atomic(), counted(1):
        Vehicle.objects.update(wheels=8)


def test_events_that_are_written_one_by_one_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "ROWS_PER_STATEMENT", 1)
    with pytest.raises(AssertionError, match="5 queries"), counted(1):
        Order.objects.update(quantity=3)
