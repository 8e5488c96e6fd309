from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas import Event, key_of
from schemas.encoding import key_text
from schemas.errors import MissingKey, Unencodable

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Card(BaseModel):
    number: str


class Paid(Event, type="test.paid", key="order_id"):
    order_id: UUID | int | str | None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("AbC ü", "AbC ü"),
        ('"quoted"', '"quoted"'),
        (0, "0"),
        (-12, "-12"),
        (2**70, "1180591620717411303424"),
        (True, "true"),
        (UUID("ABCDEF00-0000-0000-0000-000000000000"), "abcdef00-0000-0000-0000-000000000000"),
        (Decimal("1.500"), "1.5"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.00"), "0"),
        (1.5, "1.5"),
        (1e-5, "0.00001"),
        (1e-7, "1e-7"),
        (date(2026, 1, 31), "2026-01-31"),
        (NOON.astimezone(timezone(timedelta(hours=9))), "2026-01-31T12:00:00Z"),
        (b"\xfb\xff", "+/8="),
        (Colour.RED, "red"),
        (Level.LOW, "1"),
    ],
)
def test_a_key_has_one_text_whatever_type_it_has_in_python(value: object, text: str) -> None:
    assert key_text(value) == text


@given(value=st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_decimals_that_are_equal_are_one_key(value: Decimal) -> None:
    for zeros in ("0", "00000"):
        assert key_text(Decimal(f"{value:f}{zeros}")) == key_text(value)


def test_the_key_of_an_event_is_the_field_that_its_contract_names_in_utf_8() -> None:
    assert key_of(Paid(order_id="ü")) == b"\xc3\xbc"
    assert key_of(Paid(order_id=7)) == b"7"


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_key_is_refused(nothing: str | None) -> None:
    with pytest.raises(
        MissingKey, match=r"Paid \(test.paid version 1\): order_id: a key cannot be .*; set the"
    ):
        key_of(Paid(order_id=nothing))


def test_an_event_that_was_not_built_through_its_class_may_lack_its_key() -> None:
    nothing: dict[str, Any] = {}

    with pytest.raises(
        MissingKey, match=r"Paid \(test.paid version 1\): order_id: the event has no such field"
    ):
        key_of(Paid.model_construct(**nothing))


def test_an_error_of_a_key_is_one_error_and_shows_nothing_of_a_model() -> None:
    class Charged(Event, type="test.charged", key="card"):
        card: Card

    with pytest.raises(Unencodable, match=r"a key cannot be Card\(...\): it is not one") as caught:
        key_of(Charged(card=Card(number="4111")))
    assert caught.value.__cause__ is None


def test_an_event_without_a_key_says_where_to_add_one() -> None:
    class Keyless(Event, type="test.keyless"):
        pass

    class Abstract(Event):
        pass

    for event in (Keyless(), Abstract()):
        with pytest.raises(MissingKey, match=r'names no key; add one .*such as key="order_id"'):
            key_of(event)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("\ud800", "a lone surrogate"),
        ("a\0b", "it has a NUL"),
        (float("nan"), "JSON has no such number"),
        (Decimal("NaN"), "JSON has no such number"),
        (NOON.replace(tzinfo=None), "no time zone"),
        ([1], "it is not one value; choose a part of it"),
        ({"a": 1}, "it is not one value"),
        (Paid(order_id=1), "it is not one value"),
        (object(), "JSON has no form for it"),
        pytest.param(10**4300, "no reader takes more than 4300 digits", id="long"),
    ],
)
def test_a_key_that_is_not_one_value_is_refused(value: Any, why: str) -> None:
    with pytest.raises(Unencodable, match=f"a key cannot be .*{why}"):
        key_text(value)
