"""How many bytes of WAL an event costs, without images of whole pages."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

import outbox
from local.scratch import ROOT
from outbox.buffer import buffer_of
from outbox.insertion import COPIED_FROM
from tests.app.events import Said

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENTED = (ROOT / "docs" / "explanation" / "performance.md").read_text()
EMPTY = '{"who":"me","what":""}'
VALUE_BYTES = 400
TRIES = 5


def documented(what: str) -> float:
    """The figure of a line of the table in the documentation."""
    (figure,) = re.findall(rf"^\| {re.escape(what)} \|.*?([\d,]+) ?%? \|$", DOCUMENTED, re.M)
    return float(figure.replace(",", ""))


def flush(count: int) -> None:
    """Write so many events, and nothing else."""
    for _ in range(count):
        outbox.record(Said(who="me", what="x" * (VALUE_BYTES - len(EMPTY))))
    buffer_of(connection).flush()


def inserted(count: int, into: str = "outbox_event") -> float | None:
    """Bytes for each event, of the statement as it is sent; None if pages were written whole."""
    told: list[dict[str, Any]] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> None:
        assert sql.startswith("INSERT INTO outbox_event ")
        sql = sql.replace("outbox_event", into, 1)
        execute(f"EXPLAIN (ANALYZE, WAL, FORMAT JSON) {sql}", params, many, context)
        told.append(context["cursor"].fetchone()[0][0]["Plan"])

    with transaction.atomic(), connection.execute_wrapper(explain):
        flush(count)
    (plan,) = told
    return None if plan["WAL FPI"] else plan["WAL Bytes"] / count


def copied(count: int) -> float:
    """Bytes for each event by which the WAL grows; COPY cannot be explained."""
    with transaction.atomic():
        before = position()
        flush(count)
        return (position() - before) / count


def position() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
        (found,) = cursor.fetchone()
        return int(found)


def least(measure: Callable[[], float | None]) -> float:
    """Whoever writes meanwhile, or a checkpoint, can only add to it."""
    return min(each for each in [measure() for _ in range(TRIES)] if each is not None)


@pytest.mark.parametrize("count", [1, COPIED_FROM - 1])
def test_an_inserted_event_costs_the_wal_that_the_documentation_states(count: int) -> None:
    assert least(lambda: inserted(count)) == pytest.approx(
        documented("WAL of an event, inserted"), rel=0.1
    )


def test_a_copied_event_costs_the_wal_that_the_documentation_states() -> None:
    count = 10 * COPIED_FROM
    assert least(lambda: copied(count)) == pytest.approx(
        documented("WAL of an event, copied"), rel=0.1
    )


def test_the_indexes_have_the_share_of_the_wal_that_the_documentation_states() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bare (LIKE outbox_event INCLUDING DEFAULTS INCLUDING IDENTITY)"
        )
    try:
        heap = least(lambda: inserted(1, into="bare"))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE bare")
    share = 100 * (1 - heap / least(lambda: inserted(1)))
    assert share == pytest.approx(documented("of which for the two indexes"), rel=0.1)
