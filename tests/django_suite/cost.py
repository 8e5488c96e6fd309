"""The queries that capture may add: the table "What it costs" of docs/reference/django.md."""

from math import ceil
from typing import Any, NamedTuple

from django.db.models import Model

from outbox.capture import captured_models
from schemas import Change
from tests.django_suite.ledger import Call, Ledger, Statement, Write
from tests.django_suite.models import topic_of

ROWS = 1_000


class Cost(NamedTuple):
    """Queries by what they are for."""

    flushes: int = 0
    transactions: int = 0
    children: int = 0
    deleted_children: int = 0

    @property
    def queries(self) -> int:
        return sum(self)


def cost(ledger: Ledger) -> Cost:
    """What the reference states for these writes of Django's and their events.

    Django counts the INSERT of a flush as a query, though it is sent with the COMMIT.
    Not stated here: what PostgreSQL before version 18 needs, and options that no model has.
    """
    children = [each.model for each in captured_models() if len(each.model._meta.all_parents)]
    return Cost(
        flushes=sum(ceil(events / ROWS) for events in ledger.flushes),
        transactions=2 * sum(_opens_one(call) for call in ledger.calls),
        children=sum(_read(child, write) for write in ledger.writes for child in children),
        deleted_children=sum(
            _read_of_deleted(child, statement)
            for write in ledger.writes
            for statement in write.statements
            for child in children
        ),
    )


def _opens_one(call: Call) -> bool:
    """Whether a write in autocommit gets a transaction that it would not have had."""
    return call.alone and call.events > 0 and not call.transactions


def _read(child: type[Model], write: Write) -> int:
    """Once for each way to the child that was not found yet, unless every table was written."""
    tables = {each._meta.db_table: each for each in (child, *child._meta.all_parents)}
    written = [each for each in write.statements if each.table in tables and each.rows > 0]
    if tables.keys() <= {each.table for each in written if each.kind != "DELETE"}:
        return 0
    ways: dict[str | None, int] = {}
    for statement in written:
        model = tables[statement.table]
        if rows := _changed(child, model, statement, write):
            way = _way(child, model)
            ways[way] = max(ways.get(way, 0), rows)
    first, *others = ways.values() or [0]
    found = len(_events(child, write))
    return ceil(first / ROWS) + sum(ceil(max(0, rows - found) / ROWS) for rows in others)


def _changed(child: type[Model], model: type[Model], statement: Statement, write: Write) -> int:
    """How many rows of one table may have changed a child: new rows of a parent do not."""
    match statement.kind:
        case "UPDATE":
            return statement.rows
        case "INSERT" if model is child:
            return statement.rows
        case "INSERT":
            return sum(each.op == "update" for each in _events(model, write))
        case _:
            return 0


def _read_of_deleted(child: type[Model], statement: Statement) -> int:
    """Once for each parent."""
    if statement.kind != "DELETE" or statement.table != child._meta.db_table:
        return 0
    return len(_links(child)) * ceil(statement.rows / ROWS)


def _events(model: type[Model], write: Write) -> list[Change[Any]]:
    decoded = (row.event for row in write.events if row.topic == topic_of(model))
    return [event for event in decoded if isinstance(event, Change)]


def _way(child: type[Model], model: type[Model]) -> str | None:
    """The column that leads to a parent; None if primary keys do, all the way."""
    links = _links(child)
    if model is child:
        return None
    for parent in [model] if model in links else links:
        if issubclass(parent, model):
            link = links[parent]
            return _way(parent, model) if link.primary_key else link.attname
    raise LookupError(f"{model._meta.label} is no parent of {child._meta.label}")


def _links(child: type[Model]) -> dict[type[Model], Any]:
    """Those to the parents that the class line names."""
    parents = child._meta.parents.items()
    return {parent: link for parent, link in parents if link and link.model is child}
