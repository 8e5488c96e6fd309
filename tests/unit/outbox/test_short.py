"""The short way to write a state gives the bytes that its contract gives."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.columns import kind_of
from outbox.errors import InvalidPayload
from outbox.options import Options
from outbox.payload import Payload, payload_of
from outbox.short import Member, Short
from schemas import encode
from schemas.scalars import writer
from tests.app.models import Specimen

ZONES = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
SHORT = [
    field
    for field in Specimen._meta.concrete_fields
    if (kind := kind_of(field)) and writer(kind.annotation)
]
PAYLOAD = payload_of(Specimen, Options(fields=[field.name for field in SHORT]))


def values(**of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Rows of all columns that have a short way; `of` replaces the values of some."""
    return st.fixed_dictionaries({field.attname: _values(field) for field in SHORT} | of)


def _values(field: Any) -> st.SearchStrategy[Any]:
    kind = kind_of(field)
    assert kind
    special: dict[type, st.SearchStrategy[Any]] = {
        str: st.text(st.characters(exclude_categories=["Cs"])),
        Decimal: st.decimals(allow_nan=False, allow_infinity=False),
        float: st.floats(allow_nan=False, allow_infinity=False),
        datetime: st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES),  # noqa: DTZ001
    }
    found = special.get(kind.annotation, st.from_type(kind.annotation))
    return found | st.none() if field.null else found


def in_order(row: dict[str, Any]) -> list[Any]:
    return [row[column.name] for column in PAYLOAD.columns]


def test_most_columns_have_a_short_way() -> None:
    assert {"id", "text", "number", "moment", "flag", "uuid"} < {each.attname for each in SHORT}
    assert PAYLOAD.short


@given(values())
def test_both_ways_give_the_same_bytes(row: dict[str, Any]) -> None:
    assert PAYLOAD.short
    assert PAYLOAD.short.write(in_order(row)) == encode(PAYLOAD.state_of(row))


@pytest.mark.parametrize(
    ("column", "value"),
    [("real", float("nan")), ("number", Decimal("Infinity")), ("text", None), ("whole", "x")],
)
@given(data=st.data())
def test_a_value_that_the_contract_refuses_is_refused(column: str, value: Any, data: Any) -> None:
    row = data.draw(values(**{column: st.just(value)}))
    with pytest.raises(InvalidPayload, match=column):
        PAYLOAD.text_of(row)


@given(values(whole=st.just("7"), flag=st.just(1)))
def test_a_value_of_another_type_is_left_to_the_contract(row: dict[str, Any]) -> None:
    assert PAYLOAD.short
    assert PAYLOAD.short.write(in_order(row)) is None
    assert b'"whole":7,' in PAYLOAD.text_of(row)


WHOLE = [each.attname for each in SHORT if getattr(kind_of(each), "annotation", None) is int]
MOMENTS = st.datetimes(timezones=st.just(UTC))
OF_64_BITS = {name: st.integers(-(2**63), 2**63 - 1) for name in WHOLE}


@given(values(**OF_64_BITS, moment=MOMENTS))
def test_a_state_has_no_more_bytes_than_were_foretold(row: dict[str, Any]) -> None:
    most = PAYLOAD.most(row)
    assert most is not None
    shape = PAYLOAD.short and PAYLOAD.short.shape(in_order(row))
    assert shape
    key, state = shape.key(in_order(row)), shape.write(in_order(row))
    assert (key, state) == (PAYLOAD.key_of(row), PAYLOAD.text_of(row))
    assert len(state) + len(key) <= most


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[("real", float("inf")), ("number", Decimal("NaN")), ("text", None), ("whole", "7")],
        ("moment", datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
    ],
)
@given(data=st.data())
def test_nothing_is_foretold_of_a_state_that_may_be_refused(
    column: str, value: Any, data: Any
) -> None:
    of = {"moment": MOMENTS, column: st.just(value)}
    assert PAYLOAD.most(data.draw(values(**of))) is None


@given(values(**OF_64_BITS, moment=MOMENTS))
def test_a_row_is_known_again_by_its_types(row: dict[str, Any]) -> None:
    short = PAYLOAD.short
    assert short
    assert short.shape(in_order(row)) is short.shape(in_order(row | {"text": "other"}))


def test_no_more_shapes_are_kept_than_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outbox.short.SHAPES", 2)
    made = Short([Member("a", 0, int, str, may_be_null=False)], keys=[0])
    for value in ("x", 1.0, b"", None):
        assert made.write([value]) is None
    assert made.write([7]) == b'{"a":7}'
    assert len(made._shapes) <= 2


def test_a_row_has_its_shape_when_another_thread_clears_what_is_kept() -> None:
    class Cleared(dict[Any, Any]):
        def __setitem__(self, key: object, value: object) -> None:
            super().__setitem__(key, value)
            self.clear()

    made = Short([Member("a", 0, int, str, may_be_null=False)], keys=[0])
    made._shapes = Cleared()
    assert made.write([7]) == b'{"a":7}'


def test_a_name_with_a_percent_sign_is_written_as_it_is() -> None:
    assert Short([Member("a%s", 0, int, str, may_be_null=False)], keys=[0]).write([7]) == (
        b'{"a%s":7}'
    )


@pytest.mark.parametrize("options", [Options(), Options(sensitive={"text": "hash"})])
def test_a_model_is_written_by_its_contract_where_a_column_has_no_short_way(
    options: Options,
) -> None:
    made: Payload = payload_of(Specimen, options)
    assert made.short is None
