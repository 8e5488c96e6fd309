"""Every statement against freshly migrated tables, and how PostgreSQL plans those of the loop."""

import re
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from typing import Any

import psycopg
import pytest

from publisher.adapters.postgres import PostgresStore, connect
from publisher.ports import Limits
from publisher.position import Position, Snapshot
from publisher.sql import statement
from publisher.window import Window
from tests.writers import Writer, write

STATEMENTS = sorted(
    path.name.removesuffix(".sql")
    for path in files("publisher.sql").iterdir()
    if path.name.endswith(".sql")
)


@pytest.fixture
def connection(migrated_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with closing(connect(migrated_database_url, name="test")) as connection:
        yield connection


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_fits_the_migrated_tables(
    connection: psycopg.Connection[Any], name: str
) -> None:
    text = statement(name).decode()
    text = re.sub(r"%\((\w+)\)s", "NULL", text)
    text = re.sub(r"NULL::(\w+)", r"NULL::\1", text)
    connection.execute(f"PREPARE probe AS {text}".encode())


def retained(connection: psycopg.Connection[Any], rows: int) -> None:
    connection.execute(
        """
        INSERT INTO outbox_event (event_id, topic, key, type, version, value)
        SELECT gen_random_uuid(), 't', 'k', 'test.event', 1, '{}' FROM generate_series(1, %s)
        """,
        [rows],
    )


def plan(connection: psycopg.Connection[Any], name: str, **params: object) -> str:
    query = b"EXPLAIN (COSTS OFF) " + statement(name)
    return "\n".join(row[0] for row in connection.execute(query, params))


def snapshot(connection: psycopg.Connection[Any]) -> Snapshot:
    row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    assert row is not None
    return Snapshot.parse(row[0])


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_small_window_never_walks_the_retained_rows(
    connection: psycopg.Connection[Any], analyzed: bool
) -> None:
    retained(connection, 20_000)
    if analyzed:
        connection.execute("ANALYZE outbox_event")
    text = plan(
        connection,
        "small_window",
        xmax=str(snapshot(connection).xmax),
        in_progress="{}",
        rows=2_000,
        bytes=1_000,
    )
    assert text.count("using outbox_event_xid") == 2
    assert "Seq Scan" not in text
    assert "outbox_event_pkey" not in text


@pytest.mark.parametrize("analyzed", [False, True])
def test_the_bounds_of_a_window_come_from_the_index_on_transactions(
    connection: psycopg.Connection[Any], analyzed: bool
) -> None:
    retained(connection, 20_000)
    if analyzed:
        connection.execute("ANALYZE outbox_event")
    now = snapshot(connection)
    text = plan(connection, "bounds", xmax=str(now.xmax), in_progress="{}", after=0, now=str(now))
    assert text.count("using outbox_event_xid") == 2
    assert "Seq Scan" not in text
    assert "outbox_event_pkey" not in text


def test_a_page_of_a_frozen_window_is_a_range_of_the_primary_key(
    connection: psycopg.Connection[Any],
) -> None:
    retained(connection, 20_000)
    text = plan(
        connection,
        "span",
        prev="1:1:",
        now=str(snapshot(connection)),
        after=0,
        upto=8_000,
        rows=2_000,
        bytes=1_000_000,
    )
    assert "using outbox_event_pkey" in text
    assert "Seq Scan" not in text


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
        with psycopg.connect(migrated_database_url) as connection:
            retained(connection, 50_000)
        prev = store.small_window(Snapshot(1, 1), Limits()).now
        fresh = write(migrated_database_url, *[b"f"] * 10)
        late.commit()
        store.statements = 0
        window = Window(store, Position(prev), limits=Limits(rows=50))
        pages = [[row.id for row in window.read().rows] for _ in range(3)]
        assert pages == [late_ids[:50], late_ids[50:], fresh]
        assert store.statements <= 2 + 4


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


def test_a_writer_elsewhere_that_stays_open_delays_nothing(migrated_database_url: str) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        foreign = Writer(migrated_database_url)
        foreign.touch()
        prepared = Writer(migrated_database_url)
        prepared.execute("CREATE TABLE elsewhere ()")
        prepared.prepare("stays-open")
        try:
            window = Window(store, Position(), limits=Limits())
            for _ in range(3):
                ids = write(migrated_database_url, b"a")
                assert [row.id for row in window.read().rows] == ids
        finally:
            foreign.rollback()
            with psycopg.connect(migrated_database_url, autocommit=True) as connection:
                connection.execute("ROLLBACK PREPARED 'stays-open'")
