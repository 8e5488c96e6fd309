from __future__ import annotations

from types import new_class
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError, create_model

from schemas import Change, Envelope, encode, key_of, lookup
from schemas.errors import InvalidContract, MissingKey


class OrderState(BaseModel):
    id: int
    note: str = ""


class OrderChange(Change[OrderState], type="test.order", topic="test.orders", key="id"):
    pass


class Loose(Change[dict[str, Any]], type="test.loose", key="id"):
    pass


def test_a_change_of_a_model_is_a_contract_whose_key_is_a_field_of_the_state() -> None:
    change = OrderChange(op="update", after=OrderState(id=7), changed=("note",))

    assert lookup("test.order", 1) is OrderChange
    assert key_of(change) == b"7"
    assert OrderChange.model_validate_json(encode(change)) == change


def test_all_four_fields_travel_always() -> None:
    change = OrderChange(op="create", after=OrderState(id=7, note="new"))

    assert encode(change) == (
        b'{"op":"create","before":null,"after":{"id":7,"note":"new"},"changed":null}'
    )


def test_a_delete_has_the_state_and_the_key_of_what_was_there_before() -> None:
    change = OrderChange(op="delete", before=OrderState(id=7))

    assert change.state == OrderState(id=7)
    assert key_of(change) == b"7"


def test_a_change_without_any_state_has_no_key() -> None:
    with pytest.raises(MissingKey, match=r"OrderChange .*neither before nor after; give it one"):
        key_of(OrderChange(op="delete"))


def test_the_operation_is_one_of_four() -> None:
    with pytest.raises(ValidationError, match="'create', 'update', 'delete' or 'read'"):
        OrderChange(op="truncate")  # type: ignore[arg-type]


def test_the_key_of_a_change_must_be_a_field_of_its_state() -> None:
    with pytest.raises(InvalidContract, match=r"key='op' names no field; choose one of id, note"):

        class Wrong(Change[OrderState], type="test.wrong-change", key="op"):
            pass


def test_a_state_may_be_a_mapping() -> None:
    assert key_of(Loose(op="read", after={"id": "a"})) == b"a"


def test_a_state_without_the_key_is_named() -> None:
    nothing: dict[str, Any] = {}

    for change in (
        Loose(op="read", after={"name": "a"}),
        OrderChange(op="read", after=OrderState.model_construct(**nothing)),
    ):
        with pytest.raises(
            MissingKey, match=r"test.* version 1\): id: the state of the change has no such field;"
        ):
            key_of(change)


def test_a_change_can_be_made_at_run_time() -> None:
    state = create_model("State", id=(int, ...))
    made = new_class(
        "Made", (Change.__class_getitem__(state),), {"type": "test.made-change", "key": "id"}
    )

    assert key_of(made(op="create", after=state(id=3))) == b"3"


def test_a_consumer_matches_on_the_class() -> None:
    change = OrderChange(op="create", after=OrderState(id=7))
    headers = {
        "ce_id": b"1",
        "ce_source": b"/shop",
        "ce_type": b"test.order",
        "ce_specversion": b"1.0",
        "ce_time": b"2026-01-01T00:00:00Z",
        "ce_dataschema": b"urn:contract:test.order:1",
    }

    match Envelope.from_kafka(headers, b"7", encode(change)).event():
        case OrderChange(op="create", after=OrderState(id=number)):
            assert number == 7
        case other:
            pytest.fail(f"{other!r} is not a creation")


@pytest.mark.parametrize("changed", [None, (), ("note",), ("id", 'größe"')])
@pytest.mark.parametrize("after", [None, OrderState(id=7, note="new")])
@pytest.mark.parametrize("before", [None, OrderState(id=7)])
def test_a_change_of_states_that_are_written_already_has_the_same_text(
    before: OrderState | None, after: OrderState | None, changed: tuple[str, ...] | None
) -> None:
    change = OrderChange(op="update", before=before, after=after, changed=changed)
    old, new = encode(before) if before else None, encode(after) if after else None
    assert Change.text("update", before=old, after=new, changed=changed) == encode(change)
