"""An event that waits says the same as one that is made at once."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.buffer import Buffer
from outbox.captured import Captured
from outbox.contracts import contract_of
from outbox.options import Options
from outbox.pending import Entry, settled
from outbox.tables import Table
from tests.app.models import Specimen

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": st.just(1),
    "uuid": st.sampled_from([UUID(int=1), UUID(int=2**127)]),
    "text": st.sampled_from(["", "a", '%s{["\\\x01é😀']),
    "whole": st.sampled_from([0, 1, -(2**63), 2**63 - 1]),
    "number": st.sampled_from([Decimal("-0"), Decimal(0), Decimal("1.0"), Decimal("1.000")]),
    "real": st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1e22]),
    "flag": st.booleans(),
    "moment": st.sampled_from([datetime(2024, 1, 1, 0, 0, s, s, UTC) for s in (0, 1)]),
    "day": st.sampled_from([None, date(1, 1, 1), date(2024, 2, 29)]),
    "time": st.sampled_from([None, time(0), time(23, 59, 59, 999999)]),
    "duration": st.sampled_from([None, timedelta(0), timedelta(microseconds=-1)]),
    "address": st.sampled_from([None, "::1"]),
    "blob": st.sampled_from([None, b"", b"\x00\xff"]),
}
ROWS = st.fixed_dictionaries(VALUES)


def captured(options: dict[str, Any]) -> Captured:
    line = contract_of("Specimen", type="test.specimen", version=1, topic="t", key=None)
    return Captured(Specimen, line, Options(**options))


def update(each: Captured, before: dict[str, Any], after: dict[str, Any]) -> list[Any]:
    """What is recorded of an update, without what tells one event from another."""
    entries: list[Entry] = []
    row, old = (tuple(values[column.name] for column in each.columns) for values in (after, before))
    Table(Specimen, [each]).updated([(old, row)], cast("Buffer", entries))
    return [settled(entry)[1:] for entry in entries]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("fields", [list(VALUES), list(reversed(VALUES)), ["real", "number"]])
@given(old=ROWS, new=ROWS)
def test_an_update_says_the_same_whether_it_waits_or_not(
    before: bool, fields: list[str], old: dict[str, Any], new: dict[str, Any]
) -> None:
    waits, at_once = (captured({"fields": fields, "before": before}) for _ in range(2))
    vars(at_once)["deferral"] = None
    assert waits.deferral is not None
    assert update(waits, old, new) == update(at_once, old, new)
