"""Functions in the database that no column of a test's own reaches."""

import struct
import time
import uuid
from pathlib import Path

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from outbox import functions

pytestmark = pytest.mark.django_db

SQL = Path(functions.__file__).parent / "sql"
PATTERNS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0])


def ask(sql: str, *params: object) -> list[object]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)  # type: ignore[arg-type]
        return [value for (value,) in cursor.fetchall()]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PATTERNS.filter(lambda value: value - value == 0), max_size=200))
# Of these, PostgreSQL's own text has more digits.
@example([1e23, 9.5e21, 5e22, -1e23])
@example([5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e-5, 9.99e-6, 1e15, 1e16])
@example([2.0**exponent for exponent in range(-1074, 1024)])
def test_a_float_has_the_text_that_pydantic_gives_it(numbers: list[float]) -> None:
    found = ask("SELECT outbox_float_text(each, '') FROM unnest(%s::float8[]) AS each", numbers)
    assert found == [to_json(number).decode() for number in numbers]


def test_a_backslash_means_the_same_whatever_the_session_says_of_them() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL standard_conforming_strings = off")
        cursor.execute(functions.create())  # or the session has read them before
    assert ask("SELECT outbox_float_text(1.5, '')") == ["1.5"]


@pytest.mark.parametrize("since", [180_000, 990_000])
def test_identifiers_are_of_version_7_and_rise_before_postgresql_18_too(since: int) -> None:
    source = (SQL / "outbox_uuid7.sql").read_text()
    assert "180000" in source
    with connection.cursor() as cursor:
        cursor.execute(source.replace("180000", str(since)))
    before = time.time_ns() // 1_000_000
    found = ask(
        "SELECT outbox_uuid7() FROM generate_series(1, 1000) WHERE pg_sleep(0.0001) IS NOT NULL"
    )
    after = time.time_ns() // 1_000_000
    ids = [each for each in found if isinstance(each, uuid.UUID)]
    assert len(set(ids)) == 1000
    assert {(each.version, each.variant) for each in ids} == {(7, uuid.RFC_4122)}
    times = [each.int >> 80 for each in ids]
    assert times == sorted(times)
    assert before - 1 <= times[0] <= times[-1] <= after + 1
