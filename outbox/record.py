"""Putting events into the open transaction."""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from outbox import database
from outbox.buffer import Buffer, buffer_of
from outbox.context import headers
from outbox.errors import NotAnEvent, NoTopic
from outbox.recorded import Recorded, recorded
from outbox.transactions import require_transaction
from schemas import Event, encode, key_of


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


def recording(what: str) -> AbstractContextManager[Buffer]:
    """The buffer of the open transaction, which will not commit if the block fails."""
    connection = connections[database.alias()]
    return recording_on(connection, buffer_of(connection), what)


class recording_on:  # noqa: N801 - entered for every statement, it is no generator
    """The same where the connection and its buffer are at hand."""

    __slots__ = ("_buffer", "_connection", "_what")

    def __init__(self, connection: BaseDatabaseWrapper, buffer: Buffer, what: str) -> None:
        self._connection, self._buffer, self._what = connection, buffer, what

    def __enter__(self) -> Buffer:
        try:
            require_transaction(self._connection, self._what)
        except BaseException as failure:
            self._buffer.spoil(failure)
            raise
        return self._buffer

    def __exit__(self, kind: object, failure: BaseException | None, trace: object) -> None:
        if failure is not None:
            self._buffer.spoil(failure)


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
    key = key_of(event).decode()
    return recorded(contract, encode(event), topic=contract.topic, key=key, headers=headers())


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
