"""How many statements recording costs, counted where Django sends them and where psycopg does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
import pytest
from django.contrib.auth.signals import user_login_failed
from django.db import connection, transaction
from django.db.models import F
from django.dispatch import Signal

import outbox
from outbox import buffer, statements
from outbox.insertion import COPIED_FROM
from tests.app.events import Said
from tests.app.models import (
    Article,
    Counter,
    Customer,
    Label,
    Ledger,
    Line,
    Lorry,
    Member,
    Motorboat,
    Note,
    Order,
    Talk,
    UrgentOrder,
    Vehicle,
)
from tests.integration.outbox.ways import WAYS, Children, Rows, empty_tables
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
        for model in (Order, Article, Counter, Vehicle, Motorboat, Member):
            model.objects.all().delete()
        order = Order.objects.create(number="1")
        Line.objects.bulk_create([Line(order=order), Line(order=order)])
        Article.objects.create(slug="one", title="One")
        Counter.objects.create(pk=1)
        Lorry.objects.create()
        Member.objects.create(number=1)
    with counted() as sent, transaction.atomic():
        write(order)
    return len(sent)


@pytest.mark.parametrize(
    ("kind", "name"), WAYS, ids=[f"{kind.__name__}.{name}" for kind, name in WAYS]
)
def test_no_way_to_write_costs_a_statement_but_one_for_many_events(
    kind: type[Rows], name: str
) -> None:
    """But for children by multi-table inheritance, which have to be read."""
    with outbox.suppress():
        plain = count_of_way(kind, name)
    with outbox.suppress(*([Lorry] if kind is Children else [Vehicle])):
        recorded = count_of_way(kind, name)
    assert recorded == plain + (1 if len(stored()) >= COPIED_FROM else 0)


def count_of_way(kind: type[Rows], name: str) -> int:
    """Statements of a way to write, tried with every choice that it has, in one transaction."""
    empty_tables()
    way = kind(count(1))
    with outbox.suppress():
        for model in (Customer, Order, Article, Lorry, Member, Label, Talk):
            way.some(model, 0)
        Line.objects.create(order=Order.objects.get())
        talk, label = Talk.objects.get(), Label.objects.get()
        talk.tags.add(label)
        talk.labels.add(label)
    with counted() as sent, transaction.atomic():
        for n in range(9):
            getattr(way, name)(n)
    return len(sent)


def test_a_write_in_autocommit_costs_the_begin_and_the_end_of_a_transaction() -> None:
    with counted() as sent:
        Order.objects.create(number="1")
    verbs = sorted(statement.split()[0] for statement in sent)
    assert verbs == ["BEGIN", "INSERT", "INSERT"]
    assert sent[-1].endswith("; COMMIT")


@pytest.mark.parametrize(
    "write",
    [
        lambda order: Article.objects.update(slug="other"),
        lambda order: Member.objects.update(name="other"),
    ],
    ids=["the key", "a model whose old rows are asked for"],
)
def test_before_postgresql_18_the_old_row_costs_a_statement_that_locks_it(
    write: Callable[[Order], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "returns_old", lambda connection: False)
    with outbox.suppress():
        plain = count_of(write)
    assert count_of(write) == plain + 1


def test_rows_that_are_read_again_cost_a_query_for_each_thousand() -> None:
    def write(order: Order) -> None:
        Ledger.objects.bulk_create([Ledger() for _ in range(1001)])

    with outbox.suppress():
        plain = count_of(write)
    assert count_of(write) == plain + 2 + 1  # a thousand events are copied, the last one is not


def test_a_failed_login_inside_a_transaction_costs_its_savepoint() -> None:
    def fail(order: Order) -> None:
        Note.objects.create()
        user_login_failed.send(None, credentials={"username": "ann"})

    def on_failure(credentials: dict[str, Any], **kwargs: object) -> Said:
        return Said(who="me", what=credentials["username"])

    plain = count_of(fail)
    receiver = outbox.receiver(user_login_failed)(on_failure)
    try:
        assert count_of(fail) == plain + 2
    finally:
        user_login_failed.disconnect(receiver)


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
    stream = psycopg.Cursor.stream

    def exec_command(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(bytes(command).decode() if isinstance(command, bytes) else str(command))
        return generator(self, command, *args, **kwargs)

    def counting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return execute(self, query, *args, **kwargs)

    def streaming(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return stream(self, query, *args, **kwargs)

    def copying(self: Any, statement: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(statement))
        return copy(self, statement, *args, **kwargs)

    patch = pytest.MonkeyPatch()
    patch.setattr(psycopg.Cursor, "copy", copying)
    patch.setattr(psycopg.Cursor, "stream", streaming)
    patch.setattr(psycopg.Connection, "_exec_command", exec_command)
    patch.setattr(psycopg.Cursor, "execute", counting)
    try:
        yield sent
    finally:
        patch.undo()
