"""Every statement against freshly migrated tables, and how PostgreSQL plans those of the loop."""

import re
from contextlib import closing
from dataclasses import replace
from importlib.resources import files
from typing import Any

import psycopg
import pytest

from publisher.adapters.connection import Connection
from publisher.adapters.parked_tables import selection
from publisher.adapters.postgres import PostgresStore
from publisher.adapters.tables import backlog_params
from publisher.ports import Limits, Parked
from publisher.position import Position, Snapshot
from publisher.sql import statement
from publisher.window import Window
from tests.integration.publisher.plans import blocks, plan_of_many, retained, work
from tests.writers import Writer, execute, write

STATEMENTS = sorted(
    path.name.removesuffix(".sql")
    for path in files("publisher.sql").iterdir()
    if path.name.endswith(".sql")
)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_fits_the_migrated_tables(connection: Connection, name: str) -> None:
    text = statement(name).decode()
    text = re.sub(r"%\((\w+)\)s", "NULL", text)
    text = re.sub(r"NULL::(\w+)", r"NULL::\1", text)
    connection.execute(f"PREPARE probe AS {text}".encode())


def snapshot(connection: Connection) -> Snapshot:
    row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    assert row is not None
    return Snapshot.parse(row[0])


def loop_statements(connection: Connection) -> dict[str, dict[str, object]]:
    """The statements of the loop where all is published, and ten rows lie behind 20,000."""
    retained(connection, 10)
    retained(connection, 20_000)
    ((late,),) = connection.execute("SELECT min(xid::text::bigint) FROM outbox_event")
    now = snapshot(connection)
    end = {"xmax": str(now.xmax)}
    limits = {"rows": 2_000, "bytes": 1_000_000}
    return {
        "small_window": {**end, "in_progress": "{}", **limits},
        "bounds": {**end, "in_progress": "{}", "after": 0, "now": str(now)},
        "stragglers": {"in_progress": f"{{{late}}}", "after": 0, "below": 30_000, **limits},
        "span": {"prev": "1:1:", "now": str(now), "after": 0, "upto": 8_000, **limits},
        "backlog": backlog_params(Position(replace(now, xmin=late, in_progress=(late,)), now)),
    }


BY_TRANSACTION = {"small_window": 2, "bounds": 2, "stragglers": 1, "span": 0, "backlog": 4}
BY_KEY = {"small_window": 0, "bounds": 0, "stragglers": 0, "span": 1, "backlog": 1}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("analyzed", [False, True])
def test_a_statement_of_the_loop_uses_its_index_whatever_the_statistics_say(
    connection: Connection, analyzed: bool, mode: str
) -> None:
    statements = loop_statements(connection)
    if analyzed:
        connection.execute("ANALYZE outbox_event")
    connection.execute(f"SET plan_cache_mode = {mode}")
    plans = {name: plan_of_many(connection, name, **params) for name, params in statements.items()}
    assert {name: text.count("outbox_event_xid on") for name, text in plans.items()} == (
        BY_TRANSACTION
    )
    assert {name: text.count("outbox_event_pkey on") for name, text in plans.items()} == BY_KEY
    assert [name for name, text in plans.items() if "Seq Scan" in text or "Gather" in text] == []


@pytest.mark.parametrize(
    ("name", "most"),
    [("small_window", 0), ("bounds", 0), ("stragglers", 10), ("span", 2_000), ("backlog", 10)],
)
def test_a_statement_of_the_loop_looks_at_the_rows_that_it_is_for(
    connection: Connection, name: str, most: int
) -> None:
    params = loop_statements(connection)[name]
    connection.execute("ANALYZE outbox_event")
    assert work(connection, name, **params) <= most


def parked_statements(connection: Connection) -> dict[str, dict[str, object]]:
    """Those of a retry, where something was set aside behind 20,000 rows, and ten rows followed."""
    retained(connection, 20_000)
    before = snapshot(connection)
    retained(connection, 10)
    now = snapshot(connection)
    parked = Parked(1, "t", b"k", 20_001, "", Position(before), until=Position(before, now, 9))
    return {
        "parked_within": {
            "xmin": str(before.xmin),
            "prev": str(before),
            "now": str(now),
            "after": 0,
        },
        "parked_rows": {
            **selection(parked),
            "key": "\\x6b",
            "after": 0,
            "upto": 2_000,
            "rows": 2_000,
            "bytes": 1_000_000,
        },
    }


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("analyzed", [False, True])
def test_a_retry_reads_ranges_of_indexes_whatever_the_statistics_say(
    connection: Connection, analyzed: bool, mode: str
) -> None:
    statements = parked_statements(connection)
    if analyzed:
        connection.execute("ANALYZE outbox_event")
    connection.execute(f"SET plan_cache_mode = {mode}")
    within, rows = (plan_of_many(connection, name, **statements[name]) for name in statements)
    assert re.findall(r"(\w+) on outbox_event", within) == ["outbox_event_xid"]
    assert re.findall(r"(\w+) on outbox_event", rows) == ["outbox_event_pkey"]
    assert "Index Cond: (xid >= " in within
    assert re.search(r"Index Cond: \(\(id > .*\) AND \(id <= ", rows)


@pytest.mark.parametrize(("name", "most"), [("parked_within", 10), ("parked_rows", 2_000)])
def test_a_retry_looks_at_what_came_since_and_at_one_range_of_it(
    connection: Connection, name: str, most: int
) -> None:
    params = parked_statements(connection)[name]
    connection.execute("ANALYZE outbox_event")
    assert 0 < work(connection, name, **params) <= most


def test_behind_rows_that_an_old_snapshot_keeps_a_window_costs_no_more(
    migrated_database_url: str, connection: Connection
) -> None:
    before = read_ahead(connection)
    with psycopg.connect(migrated_database_url) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT FROM outbox_event")
        retained(connection, 20_000)
        connection.execute("DELETE FROM outbox_event")
        connection.execute("VACUUM outbox_event")
        after = read_ahead(connection)
    dead = connection.execute("SELECT pg_table_size('outbox_event') / 8192").fetchone()
    assert dead is not None
    assert dead[0] > 200, "they are still there"
    assert max(after) <= max(before) + 20, (before, after)


def read_ahead(connection: Connection) -> list[int]:
    """The blocks that reading ten new rows takes, as a small window and as a frozen one."""
    prev = snapshot(connection)
    retained(connection, 10)
    ((last,),) = connection.execute("SELECT max(id) FROM outbox_event")
    now, limits = str(snapshot(connection)), {"rows": 2_000, "bytes": 1_000_000}
    end = {"xmax": str(prev.xmax), "in_progress": "{}"}
    span = {"prev": str(prev), "now": now, "after": last - 10, "upto": last}
    return [
        blocks(connection, "small_window", **end, **limits),
        blocks(connection, "bounds", **end, after=0, now=now),
        blocks(connection, "span", **span, **limits),
    ]


def test_plans_are_made_for_the_values_at_hand(connection: Connection) -> None:
    assert connection.execute("SHOW plan_cache_mode").fetchone() == ("force_custom_plan",)
    assert connection.execute("SHOW max_parallel_workers_per_gather").fetchone() == ("0",)


def test_transactions_are_compared_as_numbers_not_as_text(migrated_database_url: str) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        (row_id,) = write(migrated_database_url, b"a")
        small = store.small_window(Snapshot(9, 9), Limits())
        assert [row.id for row in small.rows or ()] == [row_id]
        assert not store.small_window(Snapshot(10**12, 10**12), Limits()).rows


class Counting(PostgresStore):
    """Counts the statements of the loop."""

    statements = 0

    def _rows(self, query: Any, **params: object) -> Any:
        self.statements += 1
        return super()._rows(query, **params)


def test_a_page_costs_one_statement_and_an_event_none(migrated_database_url: str) -> None:
    with closing(Counting(migrated_database_url)) as store:
        store.open()
        store.statements = 0
        write(migrated_database_url, *[b"a"] * 100)
        window = Window(store, Position(), limits=Limits(rows=20))
        assert [len(window.read().rows) for _ in range(5)] == [20] * 5
        assert store.statements == 2 + 5


def test_stragglers_behind_many_published_rows_cost_no_empty_page(
    migrated_database_url: str,
) -> None:
    with closing(Counting(migrated_database_url)) as store:
        store.open()
        late = Writer(migrated_database_url)
        late_ids = [late.record() for _ in range(100)]
        retained(store._live, 50_000)
        prev = store.small_window(Snapshot(1, 1), Limits()).now
        fresh = write(migrated_database_url, *[b"f"] * 10)
        late.commit()
        store.statements = 0
        window = Window(store, Position(prev), limits=Limits(rows=50))
        pages = [[row.id for row in window.read().rows] for _ in range(3)]
        assert pages == [late_ids[:50], late_ids[50:], fresh]
        assert store.statements <= 2 + 4


def test_a_gap_in_the_ids_costs_a_statement_for_each_doubling(
    migrated_database_url: str,
) -> None:
    with closing(Counting(migrated_database_url)) as store:
        store.open()
        ids = write(migrated_database_url, b"a", b"b")
        gap = "SELECT setval(pg_get_serial_sequence('outbox_event', 'id'), 1000000000000)"
        execute(migrated_database_url, gap)
        ids += write(migrated_database_url, b"c")
        store.statements = 0
        window = Window(store, Position(), limits=Limits(rows=2))
        pages = [[row.id for row in window.read().rows] for _ in range(2)]
        assert pages == [ids[:2], ids[2:]]
        assert store.statements < 2 + 40


def test_an_event_inside_nested_savepoints_is_published_once(migrated_database_url: str) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        writer = Writer(migrated_database_url)
        writer.execute("SAVEPOINT a")
        writer.execute("SAVEPOINT b")
        row_id = writer.record()
        writer.execute("RELEASE SAVEPOINT b")
        window = Window(store, Position(), limits=Limits())
        assert not window.read().rows
        writer.commit()
        assert [row.id for row in window.read().rows] == [row_id]
        assert not window.read().rows


def test_a_writer_elsewhere_that_stays_open_delays_nothing(
    migrated_database_url: str, database_url: str
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        foreign, in_another_database = Writer(migrated_database_url), Writer(database_url)
        foreign.touch()
        in_another_database.touch()
        prepared = Writer(migrated_database_url)
        prepared.execute("CREATE TABLE elsewhere ()")
        prepared.prepare("stays-open")
        try:
            window = Window(store, Position(), limits=Limits())
            for _ in range(3):
                ids = write(migrated_database_url, b"a")
                page = window.read()
                assert [row.id for row in page.rows] == ids
                assert store.backlog(page.end).rows == 0
        finally:
            foreign.rollback()
            in_another_database.rollback()
            with psycopg.connect(migrated_database_url, autocommit=True) as connection:
                connection.execute("ROLLBACK PREPARED 'stays-open'")
