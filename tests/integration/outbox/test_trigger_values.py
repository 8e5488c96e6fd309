"""A row that a trigger captures says the same, to the byte, as one that Django's statement does."""

import json
from datetime import UTC
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Model
from django.db.models.expressions import RawSQL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outbox import OutboxError
from outbox.testing import captured_events
from schemas import SchemaError
from tests.app.models import Specimen, Twin
from tests.stored import stored

pytestmark = pytest.mark.django_db

ROW = "195ea840-6f0f-429a-8215-e0d6b5f6483c"
Events = list[tuple[str, bytes | None]]

# What psql, another driver or a server's configuration may say.
HOSTILE = """
    SET LOCAL DateStyle = 'SQL, DMY'; SET LOCAL IntervalStyle = 'sql_standard';
    SET LOCAL TimeZone = 'Asia/Kolkata'; SET LOCAL bytea_output = 'escape';
    SET LOCAL extra_float_digits = -5; SET LOCAL standard_conforming_strings = off
"""
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
HARD_TEXT = "".join(map(chr, range(1, 160))) + "'\"\\\u2028\u2029\ufeff\uffff\U0001f600é"
NUMBERS = ["0", "-0.5", "1e-7", "0.0000001", "1.50", "-1.000", "1e30", "1e-30", "123456.7890123"]


def numbers(*more: str) -> st.SearchStrategy[str]:
    decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20))
    return st.sampled_from([*NUMBERS, *more]) | decimals.map(str)


def json_text() -> st.SearchStrategy[str]:
    literals = st.sampled_from(
        ["1.10", "1e400", "1.5e308", "-1e-400", "1e-7", "9.5e21", "1e2", "-0"]
    )
    plain = st.none() | st.booleans() | st.integers() | TEXT
    floats = st.floats(allow_nan=False, allow_infinity=False)
    leaves = (plain | floats).map(json.dumps) | literals
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
            | st.dictionaries(TEXT.map(json.dumps), inner, max_size=4).map(
                lambda items: "{" + ", ".join(f"{k}: {v}" for k, v in items.items()) + "}"
            )
        ),
        max_leaves=12,
    )


def intervals() -> st.SearchStrategy[str]:
    # In months, days and microseconds, each with a sign of its own. Of more days than 2 ** 31, and
    # of infinite ones, psycopg makes wrong values without a word.
    return st.builds(
        "{:+} months {:+} days {:+} microseconds".format,
        st.integers(-5 * 10**7, 5 * 10**7) | st.integers(-30, 30),
        st.integers(-6 * 10**8, 6 * 10**8) | st.integers(-1000, 1000),
        st.integers(-(2**62), 2**62) | st.integers(-(10**8), 10**8),
    )


def ranges(bound: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    ends = bound.map(lambda text: f'"{text}"') | st.just("")
    made = st.builds("{}{},{}{}".format, st.sampled_from("[("), ends, ends, st.sampled_from(")]"))
    return made | st.just("empty")


def arrays(item: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(item | st.none(), max_size=5)


DATES = st.dates().map(str) | st.sampled_from(
    ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "0001-01-01", "9999-12-31"]
)
MOMENTS = st.datetimes(timezones=st.just(UTC)).map(str) | st.sampled_from(
    [
        "infinity",
        "-infinity",
        "0044-03-15 00:00:00+00 BC",
        "0001-01-01 00:00:00+00",
        "9999-12-31 23:59:59.999999+00",
        "10000-01-01 00:00:00+00",
        "2024-10-27 01:30:00+01",
    ]
)
FLOATS = st.floats().map(repr) | st.sampled_from(["1e23", "9.5e21", "5e22", "5e-324", "-0", "1e-5"])
# By column: the type in SQL, and texts of which PostgreSQL makes values.
VALUES: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "text": ("text", TEXT | st.just(HARD_TEXT)),
    "uuid": ("uuid", st.uuids().map(str)),
    "whole": ("bigint", st.integers(-(2**63), 2**63 - 1).map(str)),
    "number": ("numeric(12,3)", numbers("NaN")),
    "real": ("double precision", FLOATS),
    "flag": ("boolean", st.booleans().map(str)),
    "moment": ("timestamptz", MOMENTS),
    "day": ("date", DATES),
    "time": ("time", st.times().map(str) | st.just("24:00")),
    "duration": ("interval", intervals() | st.sampled_from(["1 year", "12 months"])),
    "address": ("inet", st.ip_addresses().map(str) | st.sampled_from(["10.0.0.0/8", "::/0"])),
    "blob": ("bytea", st.binary(max_size=200).map(lambda raw: f"\\x{raw.hex()}")),
    "data": ("jsonb", json_text()),
    "tags": ("varchar(10)[]", arrays(TEXT.map(lambda text: text[:10]))),
    "prices": ("numeric(6,2)[]", arrays(st.sampled_from(["1.5", "0", "-9999.99", "NaN"]))),
    "span": ("int8range", ranges(st.integers(-99, 99).map(str))),
    "days": ("daterange", ranges(DATES)),
    "moments": ("tstzrange", ranges(MOMENTS)),
    "amounts": ("numrange", ranges(numbers("NaN", "Infinity", "1e-15", "123e-20"))),
}
EXAMPLES = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def value(column: str, text: object) -> object:
    return text if text is None else RawSQL(f"%s::{VALUES[column][0]}", [text])


def written(model: type[Model], column: str, texts: tuple[Any, Any]) -> None:
    """A row comes, changes and goes."""
    first, second = (value(column, text) for text in texts)
    rows = model._default_manager.filter(pk=7)
    model._default_manager.bulk_create([model(**{"pk": 7, "uuid": ROW, column: first})])
    rows.update(**{column: second})
    rows.delete()


def by_statement(*write: Any) -> Events | None:
    """None: it was refused."""
    try:
        with captured_events() as events, transaction.atomic():
            written(Specimen, *write)
    except (DatabaseError, OutboxError, SchemaError):
        return None
    return [(row.key.decode(), row.value) for row in events]


def by_trigger(*write: Any) -> Events | None:
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(HOSTILE)
            written(Twin, *write)
            events = [(row.key, row.value) for row in stored() if row.topic == "test.twins"]
            transaction.set_rollback(True)
    except DatabaseError:
        return None
    return events


@pytest.mark.parametrize("column", VALUES)
def test_what_a_trigger_writes_of_a_column_is_what_django_reads_of_it(column: str) -> None:
    texts = VALUES[column][1] | (st.nothing() if column in NOT_NULL else st.none())

    @EXAMPLES
    @given(st.tuples(texts, texts))
    def prove(write: tuple[Any, Any]) -> None:
        assert by_trigger(column, write) == by_statement(column, write)

    prove()


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("data", "true", "1"),
        ("data", "1", "1.0"),
        ("data", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
        ("data", "0.1", "0.10000000000000000001"),
        ("data", "null", None),
        ("data", "[" * 199 + "]" * 199, "[]"),
        ("data", "1" * 4300, "[]"),
        ("data", f"{'1' * 308}.5", "[]"),
        ("real", "0", "-0"),
        ("duration", "1 year", "360 days"),
        ("duration", "-999999999 days", "999999999 days 23:59:59.999999"),
        ("moment", "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"),
        ("tags", None, ["a", None, "null", '"', "\\"]),
        ("amounts", "[1.0,2)", "[1.00,2)"),
        ("amounts", "[123e-20,1e-15]", None),
    ],
)
def test_a_value_at_the_edge_is_the_same(column: str, first: Any, second: Any) -> None:
    written = by_trigger(column, (first, second))
    assert written is not None
    assert written == by_statement(column, (first, second))


REFUSED = [
    ("number", "NaN", "NaN"),
    ("real", "NaN", "NaN"),
    ("real", "-Infinity", "-Infinity"),
    ("moment", "infinity", "infinity"),
    ("moment", "9999-12-31 23:00:00-02", "10000-01-01T01:00:00"),
    ("day", "0044-03-15 BC", "0044-03-15 BC"),
    ("time", "24:00", "24:00:00"),
    ("duration", "1000000000 days", "1000000000 days"),
    ("data", "[" * 200 + "]" * 200, "nested too deeply"),
    ("data", "1" * 4301, "4300 digits"),
    ("data", f"{'1' * 310}.5", "too large"),
    ("tags", "{{a,b},{c,d}}", "dimensions"),
    ("prices", ["NaN"], "NaN"),
    ("amounts", "[1,NaN]", "NaN"),
    ("days", "[2024-01-01,infinity]", "infinity"),
]


@pytest.mark.parametrize(("column", "text", "quoted"), REFUSED, ids=lambda each: str(each)[:20])
def test_a_value_that_no_event_can_say_is_refused_by_name_and_not_written(
    column: str, text: str, quoted: str
) -> None:
    with (
        pytest.raises(DatabaseError, match=rf"testapp\.Twin\.{column} holds .*") as failure,
        transaction.atomic(),
    ):
        Twin.objects.create(**{column: value(column, text)})
    assert quoted in str(failure.value)
    assert not Twin.objects.exists()
    assert by_statement(column, (text, text)) is None


NOT_NULL = {"text", "uuid", "whole", "number", "real", "flag", "moment"}
