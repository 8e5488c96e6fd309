"""The reference for consumers shows what is really sent."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas import Change, Envelope, Event, encode, key_of
from schemas.envelope import binary_headers, constant_headers

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "events.md").read_text()
RECORD, CHANGE = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", REFERENCE, re.S))


class Line(BaseModel):
    sku: str
    quantity: int


class Placed(Event, type="test.reference.placed", key="order_id"):
    order_id: int
    total: Decimal
    at: datetime
    lines: list[Line]


class State(BaseModel):
    id: int
    note: str


def test_the_headers_of_the_example_are_those_of_an_event() -> None:
    headers = binary_headers(
        constant_headers("/shop", "shop.order.placed", 1),
        id=b"019aa2e0-0000-7000-8000-000000000000",
        time=b"2026-01-31T12:00:00.000005Z",
        subject=b"7",
        sequence=42,
        extensions=None,
    )

    assert {name: value.decode() for name, value in headers} == RECORD["headers"]
    assert all(
        f"| `{name}` | `{value}` |" in REFERENCE for name, value in RECORD["headers"].items()
    )


def test_the_value_and_the_key_of_the_example_are_those_of_its_event() -> None:
    event = Placed(
        order_id=7,
        total=Decimal("12.50"),
        at=datetime(2026, 1, 31, 12, tzinfo=UTC),
        lines=[Line(sku="tea", quantity=2)],
    )

    assert encode(event).decode() == json.dumps(RECORD["value"], separators=(",", ":"))
    assert key_of(event).decode() == RECORD["key"]


def test_the_change_in_the_reference_is_one() -> None:
    change = Change[State](op="update", after=State(id=7, note="gift"), changed=("note",))

    assert encode(change).decode() == json.dumps(CHANGE, separators=(",", ":"))


def test_the_example_is_read_as_it_stands() -> None:
    headers: Any = [(name, value.encode()) for name, value in RECORD["headers"].items()]
    envelope = Envelope.from_kafka(headers, b"7", json.dumps(RECORD["value"]).encode())

    assert (envelope.type, envelope.version, envelope.sequence) == ("shop.order.placed", 1, 42)
    assert envelope.json() == RECORD["value"]
