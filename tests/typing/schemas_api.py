"""Lines that users write with `schemas`; type checkers read them, with pydantic's plugin or not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, assert_type
from uuid import UUID

from pydantic import BaseModel

import schemas
from schemas import Change, Contract, Envelope, Event, encode, key_of, lookup


class Line(BaseModel):
    sku: str
    quantity: int = 1


class OrderPlaced(
    Event, type="shop.order.placed", version=1, topic="shop.order-events", key="order_id"
):
    order_id: UUID
    total: Decimal
    lines: list[Line] = []


class OrderRenamed(schemas.Event, type="shop.order.renamed", extra="forbid"):
    name: str


class ShopEvent(Event):
    shop: int


class ShopOpened(ShopEvent, type="shop.opened", version=2, key="shop"):
    at: datetime


class OrderState(BaseModel):
    id: int
    note: str | None = None


class OrderChange(Change[OrderState], type="shop.order", topic="shop.orders", key="id"):
    pass


def record(event: OrderPlaced) -> None:
    assert_type(event.order_id, UUID)
    assert_type(event.lines[0].quantity, int)
    assert_type(encode(event), bytes)
    assert_type(key_of(event), bytes)
    assert_type(OrderPlaced.__contract__, Contract)
    assert_type(event.__contract__.topic, str | None)
    assert_type(lookup("shop.order.placed", 1), type[Event])
    assert_type(OrderPlaced.model_validate_json(b"{}"), OrderPlaced)


def construct(order_id: UUID, now: datetime) -> list[Event]:
    return [
        OrderPlaced(order_id=order_id, total=Decimal("1.20"), lines=[Line(sku="a")]),
        OrderRenamed(name="new"),
        ShopOpened(shop=1, at=now),
        OrderChange(op="update", after=OrderState(id=1, note=None), changed=("note",)),
        Change[dict[str, Any]](op="read", after={"id": 1}),
    ]


def change(event: OrderChange) -> int:
    assert_type(event.op, Literal["create", "update", "delete", "read"])
    assert_type(event.before, OrderState | None)
    assert_type(event.after, OrderState | None)
    assert_type(event.changed, tuple[str, ...] | None)
    assert_type(event.state, OrderState)
    return event.state.id


def consume(headers: list[tuple[str, bytes]], key: bytes | None, value: bytes | None) -> str:
    envelope = Envelope.from_kafka(headers, key, value)
    assert_type(envelope.sequence, int | None)
    assert_type(envelope.extensions, Mapping[str, str])
    assert_type(envelope.to_kafka(), list[tuple[str, bytes]])
    if envelope.is_tombstone:
        return "gone"
    match envelope.event():
        case OrderPlaced(order_id=order_id):
            return str(order_id)
        case OrderChange(op="delete", before=OrderState(id=number)):
            return str(number)
        case other:
            assert_type(other, Event)
            return str(other)


def copy_of(key: bytes, envelope: Envelope, copies: dict[bytes, OrderState]) -> None:
    match None if envelope.is_tombstone else envelope.event():
        case OrderChange(after=OrderState() as state):
            copies[key] = state
        case OrderChange() | None:
            copies.pop(key, None)


def read_what_each_client_gives(pairs: list[tuple[str, bytes | None]]) -> None:
    Envelope.from_kafka(pairs, None, None)
    Envelope.from_kafka(dict(pairs), b"key", b"value")
    Envelope.from_kafka(None, None, None)
