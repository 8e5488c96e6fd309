"""Moving the position: what comes again, and what never does."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.sql import SQL, Identifier

from publisher.adapters.connection import connect
from publisher.adapters.postgres import PostgresStore
from publisher.adapters.tables import read_identity, rebase_position, remove_position
from publisher.errors import Fenced
from publisher.ports import Limits, Parked
from publisher.position import Position
from publisher.window import Window
from tests.writers import Writer, execute, write

NOW = timedelta()


def rebase(url: str, ago: timedelta) -> Position:
    with closing(connect(url, name="test")) as connection:
        identity = read_identity(connection)
        return rebase_position(connection, "default", identity, datetime.now(UTC) - ago)


def unpublished(url: str) -> list[int]:
    with closing(PostgresStore(url)) as store:
        window = Window(store, store.open().position, limits=Limits())
        return [row.id for row in window.read().rows]


def test_rebase_to_now_publishes_nothing_again_and_loses_no_open_writer(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    late = Writer(url)
    late_id = late.record()
    write(url, b"a", b"b")
    execute(url, "UPDATE outbox_event SET created_at = created_at - interval '1 h'")
    rebase(url, NOW)
    late.commit()
    assert late_id in unpublished(url)


def test_rebase_publishes_again_what_was_recorded_since(migrated_database_url: str) -> None:
    url = migrated_database_url
    write(url, b"old")
    execute(url, "UPDATE outbox_event SET created_at = created_at - interval '2 h'")
    recent = write(url, b"a", b"b")
    rebase(url, timedelta(hours=1))
    assert unpublished(url) == recent


def test_rebase_adopts_another_history(migrated_database_url: str) -> None:
    url = migrated_database_url
    unpublished(url)
    execute(url, "UPDATE outbox_position SET timeline = timeline + 1, system_identifier = 1")
    rebase(url, NOW)
    assert unpublished(url) == []


@pytest.mark.parametrize("ago", [timedelta(hours=1), NOW])
def test_restored_rows_of_future_transactions_come_once_or_never(
    migrated_database_url: str, ago: timedelta
) -> None:
    url = migrated_database_url
    ids = write(url, b"a", b"b")
    execute(
        url, "UPDATE outbox_event SET xid = (pg_current_xact_id()::text::bigint + 40)::text::xid8"
    )
    rebase(url, ago)
    with closing(PostgresStore(url)) as store:
        window = Window(store, store.open().position, limits=Limits())
        seen = [row.id for row in window.read().rows]
        for _ in range(60):
            execute(url, "SELECT pg_current_xact_id()")
        seen += [row.id for row in window.read().rows]
    assert seen == (ids if ago else [])


def test_rebase_leaves_the_window_that_was_on_its_way(migrated_database_url: str) -> None:
    url = migrated_database_url
    ids = write(url, b"a", b"b", b"c")
    with closing(PostgresStore(url)) as store:
        page = Window(store, store.open().position, limits=Limits(rows=2)).read()
        store.save(page.after(2))
    assert unpublished(url) == ids[2:]
    rebase(url, timedelta(hours=1))
    assert unpublished(url) == ids


def test_a_publisher_that_slept_through_a_rebase_cannot_move_the_position_back(
    migrated_database_url: str,
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        position = store.open().position
        rebase(migrated_database_url, NOW)
        with pytest.raises(Fenced):
            store.save(position)


def set_aside(url: str, row: int, key: bytes = b"k") -> None:
    """As a publisher does that stands behind everything there is."""
    with closing(PostgresStore(url)) as store:
        at = store.open().position
        here = Position(store.small_window(at.prev, Limits()).now)
        store.save(here)
        store.park(Parked(0, "t", key, row, "it is refused", here))


def read_back(url: str) -> list[int]:
    """What a retry would publish now."""
    with closing(PostgresStore(url)) as store:
        at = store.open().position
        until = Position(store.small_window(at.prev, Limits()).now)
        (parked,) = store.parked()
        parked = replace(parked, until=until)
        after, last = store.parked_within(parked)
        return [row.id for row in store.parked_rows(parked, after, last, Limits()).rows]


def test_what_is_set_aside_is_unpublished_from_its_first_row_on_also_after_a_rebase(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    ids = write(url, b"k", b"k", b"j", b"k")
    set_aside(url, row=ids[1])  # its snapshot shows all of them, as that of a lost history may
    execute(url, "UPDATE outbox_event SET created_at = created_at - interval '1 d'")
    assert read_back(url) == []
    rebase(url, NOW)
    assert read_back(url) == [ids[1], ids[3]]
    later = write(url, b"k")
    assert read_back(url) == [ids[1], ids[3], *later]


def test_what_a_rebase_publishes_again_comes_again_of_what_is_set_aside_too(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    ids = write(url, b"k", b"k")
    set_aside(url, row=ids[1] + 1_000)  # a row that a fail-over lost, and its id with it
    rebase(url, timedelta(hours=1))
    assert read_back(url) == ids


def test_a_position_that_is_removed_takes_what_was_set_aside_with_it(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    (row,) = write(url, b"k")
    set_aside(url, row)
    execute(
        url,
        "INSERT INTO outbox_request (publisher, verb, parked_id, row_id)"
        " VALUES ('default', 'retry', 1, 1)",
    )
    with closing(connect(url, name="test")) as connection:
        assert remove_position(connection, "default")
        assert not remove_position(connection, "default")
        for table in ("outbox_parked", "outbox_request", "outbox_position"):
            query = SQL("SELECT count(*) FROM {}").format(Identifier(table))
            assert connection.execute(query).fetchone() == (0,)
