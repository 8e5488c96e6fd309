"""How many statements recording costs, counted where Django sends them and where psycopg does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.db.models import F
from django.dispatch import Signal

import outbox
from outbox import buffer
from tests.app.events import Said
from tests.app.models import (
    Article,
    Counter,
    Line,
    Lorry,
    Motorboat,
    Note,
    Order,
    UrgentOrder,
    Vehicle,
)
from tests.stored import stored

pytestmark = pytest.mark.django_db(transaction=True)


class Counted(list[str]):
    """Statements that psycopg sent."""

    def of_outbox(self) -> list[str]:
        return [statement for statement in self if "outbox" in statement]


def say(*words: str) -> None:
    for word in words:
        outbox.record(Said(who="me", what=word))


def test_all_events_of_a_transaction_are_one_statement() -> None:
    with counted() as sent, transaction.atomic():
        Note.objects.create()
        say("a", "b", "c")
        with transaction.atomic():
            say("d")
    assert len(sent.of_outbox()) == 1
    assert len(stored()) == 4


def test_a_transaction_without_events_costs_no_statement() -> None:
    with counted() as sent, transaction.atomic():
        Note.objects.create()
    assert sorted(statement.split()[0] for statement in sent) == ["BEGIN", "COMMIT", "INSERT"]


def test_a_transaction_whose_events_were_rolled_back_costs_no_statement() -> None:
    with counted() as sent, transaction.atomic():
        sid = transaction.savepoint()
        say("a")
        transaction.savepoint_rollback(sid)
    assert sent.of_outbox() == []


def test_a_save_of_an_uncaptured_model_in_autocommit_costs_no_statement() -> None:
    with counted() as sent:
        Note.objects.create()
    assert len(sent) == 1


def test_a_receiver_of_a_custom_signal_that_returns_nothing_costs_no_statement() -> None:
    signal = Signal()

    @outbox.receiver(signal)
    def nothing(**kwargs: object) -> None:
        return None

    with counted() as sent:
        signal.send(None)
    assert sent == []


@pytest.mark.parametrize(
    ("write", "extra"),
    [
        (lambda order: Order.objects.create(number="2"), 0),
        (lambda order: order.save(), 0),
        (lambda order: Order(number=F("id") + 1, id=order.id).save(), 0),
        (lambda order: order.save(update_fields=["number"]), 0),
        (lambda order: Order.objects.only("number").get().save(), 0),
        (lambda order: UrgentOrder(pk=order.pk, number="2").save_base(raw=True), 0),
        (lambda order: Order.objects.bulk_create([Order(number="2"), Order(number="3")]), 0),
        (lambda order: Order.objects.bulk_update([order], ["number"]), 0),
        (lambda order: Order.objects.update(quantity=F("quantity") + 1), 0),
        (lambda order: Article.objects.update(slug="other"), 0),
        (lambda order: order.delete(), 0),
        (lambda order: Order.objects.all().delete(), 0),
        (lambda order: order.lines.create(), 0),
        (lambda order: order.lines.all().delete(), 0),
        (lambda order: Counter.objects.create(pk=2), 0),
        (lambda order: Counter(pk=1, value=F("value") + 1).save(), 0),
        (lambda order: Vehicle.objects.create(), 0),
        (lambda order: Lorry.objects.create(), 0),
        (lambda order: Lorry.objects.get().save(), 0),
        (lambda order: Motorboat.objects.create(), 0),
        (lambda order: Motorboat.objects.create().save(), 2),
        (lambda order: Lorry.objects.get().save(update_fields=["wheels"]), 1),
        (lambda order: Lorry.objects.update(load=3), 1),
        (lambda order: Lorry.objects.update(load=3, wheels=8), 0),
        (lambda order: Vehicle.objects.update(wheels=8), 1),
        (lambda order: Lorry.objects.all().delete(), 1),
    ],
    ids=[
        "create",
        "save",
        "an expression",
        "update_fields",
        "deferred fields",
        "a raw save through a proxy",
        "bulk_create",
        "bulk_update",
        "a queryset's update",
        "an update of the key",
        "a delete with a cascade",
        "a queryset's delete",
        "a related manager",
        "a related manager's delete",
        "database defaults",
        "a generated column",
        "a parent",
        "a child and its parent: every table is written",
        "a save of a child: the same",
        "a child of two parents: the same",
        "a save of a parent of a captured child that is not there: once for each way to it",
        "a save of what the parent holds: the whole row is read",
        "an update of children: the same",
        "an update of children and their parents: every table is written",
        "an update of parents: the children among them are read",
        "a delete of children: the same",
    ],
)
def test_the_extra_statements_of_a_write_are_those_that_the_documentation_states(
    write: Callable[[Order], object], extra: int
) -> None:
    with outbox.suppress():
        plain = count_of(write)
    recorded = count_of(write)
    assert recorded == plain + extra  # the events are written together with the COMMIT


def count_of(write: Callable[[Order], object]) -> int:
    """Statements of a write to a new order with two lines, among other rows."""
    with outbox.suppress():
        for model in (Order, Article, Counter, Vehicle, Motorboat):
            model.objects.all().delete()
        order = Order.objects.create(number="1")
        Line.objects.bulk_create([Line(order=order), Line(order=order)])
        Article.objects.create(slug="one", title="One")
        Counter.objects.create(pk=1)
        Lorry.objects.create()
    with counted() as sent, transaction.atomic():
        write(order)
    return len(sent)


def test_many_events_are_written_in_statements_of_a_thousand() -> None:
    with counted() as sent, transaction.atomic():
        say(*map(str, range(2 * buffer.ROWS_PER_STATEMENT + 1)))
    assert len(sent.of_outbox()) == 3


def test_the_flush_passes_the_wrappers_of_the_connection() -> None:
    seen: list[str] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper), transaction.atomic():
        say("a")
    assert len(seen) == 1


def test_server_side_binding_records_the_same() -> None:
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    options["server_side_binding"] = True
    try:
        Order.objects.create(number="1").delete()
        with transaction.atomic():
            say(*map(str, range(buffer.ROWS_PER_STATEMENT)))
    finally:
        connection.close()
        del options["server_side_binding"]
    assert len(stored()) == 3 + buffer.ROWS_PER_STATEMENT


@contextmanager
def counted() -> Iterator[Counted]:
    """Watches psycopg's own cursors and commits, below everything that Django can wrap."""
    sent = Counted()
    connection.ensure_connection()
    generator = psycopg.Connection._exec_command
    execute, copy = psycopg.Cursor.execute, psycopg.Cursor.copy

    def exec_command(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(bytes(command).decode() if isinstance(command, bytes) else str(command))
        return generator(self, command, *args, **kwargs)

    def counting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return execute(self, query, *args, **kwargs)

    def copying(self: Any, statement: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(statement))
        return copy(self, statement, *args, **kwargs)

    patch = pytest.MonkeyPatch()
    patch.setattr(psycopg.Cursor, "copy", copying)
    patch.setattr(psycopg.Connection, "_exec_command", exec_command)
    patch.setattr(psycopg.Cursor, "execute", counting)
    try:
        yield sent
    finally:
        patch.undo()
