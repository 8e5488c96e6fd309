"""The reference for consumers shows what is really sent."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas import Change, Contract, Envelope, Event, Links, encode, errors, key_of
from schemas.envelope import binary_headers, constant_headers

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "events.md").read_text()
RECORD, CHANGE, LINKS = (
    json.loads(block) for block in re.findall(r"```json\n(.*?)```", REFERENCE, re.S)
)


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


def record_of(sequence: int, event: Event | None) -> Envelope:
    return Envelope(
        id=str(sequence),
        source="/blog",
        type="blog.post",
        version=1,
        time=datetime(2026, 1, 31, tzinfo=UTC),
        subject="7",
        sequence=sequence,
        key=b"7",
        value=None if event is None else encode(event),
    )


def test_the_consumer_in_the_reference_keeps_a_copy_of_the_rows() -> None:
    consumer: dict[str, Any] = {"__name__": __name__}
    exec(re.findall(r"```python\n(from pydantic.*?)```", REFERENCE, re.S)[0], consumer)
    change, state = consumer["PostChange"], consumer["PostState"]
    first, second = state(id=7, title="first"), state(id=7, title="second")

    def deliver(sequence: int, event: Event | None) -> Any:
        record = record_of(sequence, event)
        consumer["apply"](record.to_kafka(), record.key, record.value)
        return consumer["posts"].get(b"7")

    assert deliver(1, change(op="create", after=first)) == first
    assert deliver(2, change(op="update", after=second)) == second
    assert deliver(1, change(op="create", after=first)) == second
    assert deliver(3, change(op="delete", before=second)) is None
    assert deliver(4, None) is None
    assert deliver(2, change(op="update", after=second)) is None


def first_column(heading: str) -> set[str]:
    section = REFERENCE.partition(f"### {heading}\n")[2].partition("\n#")[0]
    cells = re.findall(r"^\|(.*?)\|", section, re.M)
    return set(re.findall(r"`(\w+)", " ".join(cells)))


def test_the_reference_names_what_an_envelope_has_and_what_is_raised() -> None:
    public = {name for name in dir(Envelope) if not name.startswith("_")}
    raised = {name for name, value in vars(errors).items() if isinstance(value, type)}

    assert first_column("`Envelope`") == public - {"from_kafka"}
    assert first_column("Errors") == raised - {"SchemaError"}
    assert first_column("The class line") == {each.name for each in fields(Contract)}


class OrderLabels(Links[int, int], type="test.reference.links", key="owner"):
    """What the example of links is."""


def test_the_example_of_links_is_what_an_event_of_links_is() -> None:
    event = OrderLabels(op="add", owner=7, ids=(1, 4))
    assert json.loads(encode(event)) == LINKS
    assert (key_of(event), list(LINKS)) == (b"7", ["op", "owner", "ids"])
