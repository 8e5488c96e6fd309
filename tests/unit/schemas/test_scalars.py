"""A value written alone is written as its contract would."""

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import create_model

from schemas import Event, SchemaError, encode
from schemas.scalars import writer

ZONES = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(),
    Decimal: st.decimals(),
    str: st.text(st.characters(exclude_categories=["Cs"])),
    UUID: st.uuids(),
    datetime: st.datetimes(timezones=ZONES),
    date: st.dates(),
    time: st.times(),
    timedelta: st.timedeltas(),
    bytes: st.binary(),
}


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=300)
@given(data=st.data())
def test_every_value_has_the_text_that_its_contract_gives_it(kind: Any, data: Any) -> None:
    require_same(kind, data.draw(VALUES[kind]))


@given(value=st.text(st.characters(max_codepoint=0xFF)))
@example('\x00\x1f\x7f\x80\u2028\u2029\U0001f98a " \\ / \b\f\n\r\t')
def test_characters_are_escaped_as_the_contract_escapes_them(value: str) -> None:
    require_same(str, value)


@given(value=st.datetimes())
def test_a_moment_without_time_zone_is_refused(value: datetime) -> None:
    require_same(datetime, value)


def test_what_has_no_short_way_has_no_writer() -> None:
    assert [writer(each) for each in (dict[str, str], list[int], Any, None)] == [None] * 4


def require_same(kind: Any, value: Any) -> None:
    write = writer(kind)
    assert write
    contract = create_model("Scalar", __base__=Event, value=(kind, ...))
    event = cast("Any", contract).model_construct(value=value)
    try:
        expected = encode(event)
    except SchemaError:
        with pytest.raises(ValueError, match=r"."):
            write(value)
    else:
        assert f'{{"value":{write(value)}}}'.encode() == expected
