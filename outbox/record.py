"""Putting events into the open transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from outbox import database
from outbox.buffer import Buffer, buffer_of
from outbox.errors import NotAnEvent, NoTopic
from outbox.recorded import Recorded, recorded
from outbox.transactions import require_transaction
from schemas import Event, key_of


def record(*events: Event) -> None:
    """Write these events, in this order, with the open transaction of the outbox's database.

    Raises NotInTransaction outside a transaction; NotAnEvent, NoTopic, EventTooLarge or a
    SchemaError for what could never be sent, and then the transaction will not commit. Of several
    events none is kept if one fails; without events nothing happens.
    """
    if not events:
        return
    with recording(", ".join(sorted({type(event).__qualname__ for event in events}))) as buffer:
        for row in [as_row(event) for event in events]:  # all before the first is kept
            buffer.append(row)


@contextmanager
def recording(what: str) -> Iterator[Buffer]:
    """The buffer of the open transaction, which will not commit if the block fails."""
    connection = connections[database.alias()]
    buffer = buffer_of(connection)
    try:
        require_transaction(connection, what)
        yield buffer
    except BaseException as failure:
        buffer.spoil(failure)
        raise


def as_row(event: object) -> Recorded:
    if not isinstance(event, Event):
        raise _not_an_event(event)
    contract = getattr(type(event), "__contract__", None)
    if contract is None:
        raise NotAnEvent(
            f"{type(event).__qualname__} is the abstract base of events, its class line has no "
            'type; record an instance of a class with one, such as type="shop.order.placed"'
        )
    if contract.topic is None:
        raise NoTopic(
            f"{type(event).__qualname__} ({contract.type}) names no topic; add topic=... to its "
            "class line"
        )
    return recorded(event, topic=contract.topic, key=key_of(event).decode())


def _not_an_event(what: object) -> NotAnEvent:
    if isinstance(what, type) and issubclass(what, Event):
        name = what.__qualname__
        return NotAnEvent(
            f"you passed the class {name} itself; pass an instance, such as {name}(...)"
        )
    return NotAnEvent(
        f"a {type(what).__qualname__} is no event; use an instance of a class such as "
        'class OrderPlaced(outbox.Event, type="shop.order.placed", topic="shop.order-events", '
        'key="order_id")'
    )
