"""Moving the position: what comes again, and what never does."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from publisher.adapters.connection import Connection, connect
from publisher.adapters.parked_tables import park
from publisher.adapters.postgres import PostgresStore
from publisher.adapters.tables import Rebased, read_identity, rebase_position, remove_position
from publisher.errors import Fenced
from publisher.ports import Limits, Parked
from publisher.position import Position, Snapshot
from publisher.sql import statement
from publisher.window import Window
from tests.integration.publisher.plans import retained, work
from tests.writers import Writer, execute, write

NOW = timedelta()


def rebase(
    url: str, ago: timedelta, *, name: str = "default", skip_unpublished: bool = False
) -> Rebased:
    since = datetime.now(UTC) - ago
    with closing(connect(url, name="test")) as connection:
        identity = read_identity(connection)
        return rebase_position(connection, name, identity, since, skip_unpublished=skip_unpublished)


def unpublished(url: str, name: str = "default") -> list[int]:
    with closing(PostgresStore(url, name=name)) as store:
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


def publish(url: str, *, name: str = "default", upto: int | None = None) -> None:
    """Store a position behind the rows up to this one, or behind all."""
    with closing(PostgresStore(url, name=name)) as store:
        page = Window(store, store.open().position, limits=Limits()).read()
        ids = [row.id for row in page.rows]
        store.save(page.end if upto is None else page.after(ids.index(upto) + 1))


def age(url: str, hours: int = 5) -> None:
    execute(url, f"UPDATE outbox_event SET created_at = created_at - interval '{hours} h'")


@pytest.mark.parametrize("ago", [timedelta(hours=1), NOW])
def test_rebase_skips_nothing_that_is_unpublished_however_old_unless_it_is_told_to(
    migrated_database_url: str, ago: timedelta
) -> None:
    url = migrated_database_url
    late = Writer(url)
    late_id = late.record()
    (gone,) = write(url, b"a")
    publish(url)
    late.commit()
    waiting = [late_id, *write(url, b"b", b"c")]
    age(url)
    assert rebase(url, ago).left_out == 0
    assert unpublished(url) == waiting
    assert rebase(url, ago, skip_unpublished=True).left_out == len(waiting)
    assert unpublished(url) == []
    assert gone not in waiting


def test_rebase_of_a_new_name_counts_what_it_leaves_out(migrated_database_url: str) -> None:
    url = migrated_database_url
    write(url, b"a", b"b")
    age(url)
    recent = write(url, b"c")
    assert rebase(url, timedelta(hours=1)).left_out == 2
    assert unpublished(url) == recent


def test_an_open_transaction_makes_a_rebase_repeat_nothing_that_was_published_beside_it(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    late = Writer(url)
    late_id = late.record()
    write(url, b"a", b"b")
    publish(url)
    late.commit()
    age(url)
    rebase(url, timedelta(hours=1))
    assert unpublished(url) == [late_id]


def test_rebase_adopts_another_history(migrated_database_url: str) -> None:
    url = migrated_database_url
    unpublished(url)
    execute(url, "UPDATE outbox_position SET timeline = timeline + 1, system_identifier = 1")
    rebase(url, NOW)
    assert unpublished(url) == []


def test_only_a_position_that_was_there_and_is_rebased_may_replace_one_in_kafka(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url

    def may(name: str) -> list[bool]:
        """What a start says, and the next one."""
        said = []
        for _ in range(2):
            with closing(PostgresStore(url, name=name, keeper="kafka")) as store:
                said.append(store.open().rebased)
        return said

    rebase(url, NOW, name="new")
    assert may("new") == may("default") == [False, False]
    rebase(url, NOW)
    assert may("default") == [True, True]
    unpublished(url)  # at least once
    assert may("default") == [False, False]


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


AHEAD = 1_000
"""So many transactions the server before had run more; few enough to catch up with."""


def restore(url: str, rows: list[int], **published: int) -> None:
    """As from a dump of another server: of these rows, each name has published so many."""
    with psycopg.connect(url, autocommit=True) as connection:
        ((now,),) = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchall()
        for n, row in enumerate(rows):
            connection.execute(
                "UPDATE outbox_event SET xid = %s::text::xid8 WHERE id = %s", (now + AHEAD + n, row)
            )
        for name, count in published.items():
            xid = now + AHEAD + count
            connection.execute(
                "INSERT INTO outbox_position (name, epoch, system_identifier, timeline, prev)"
                " VALUES (%s, 7, 1, 1, %s::pg_snapshot)",
                (name, f"{xid}:{xid}:"),
            )


def deliveries(url: str, name: str = "default", margin: timedelta | None = None) -> list[int]:
    """What comes until the server has caught up with the one before."""
    with closing(PostgresStore(url, name=name, margin=margin)) as store:
        window = Window(store, store.open().position, limits=Limits())
        seen = [row.id for _ in range(3) for row in window.read().rows]
        with psycopg.connect(url, autocommit=True) as connection:
            for _ in range(AHEAD + 10):
                connection.execute("SELECT pg_current_xact_id()")
        end = window.read()
        store.save(end.end)
        return seen + [row.id for row in end.rows]


def test_a_restored_dump_is_published_from_where_its_position_was_however_old_that_is(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    ids = write(url, b"a", b"b", b"c")
    age(url)
    restore(url, ids, default=1)
    assert deliveries(url, margin=timedelta(hours=1)) == ids[1:]


def test_a_restored_dump_is_published_to_its_end_for_each_of_several_names(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    ids = write(url, b"a", b"b", b"c", b"d")
    age(url)
    restore(url, ids, default=3, other=1)
    assert set(deliveries(url, margin=timedelta(hours=1))) >= set(ids[3:])
    assert set(deliveries(url, "other", margin=timedelta(hours=1))) >= set(ids[1:])


@pytest.mark.parametrize("other", [{}, {"other": 1}])
def test_restored_rows_come_once_under_a_new_name(
    migrated_database_url: str, other: dict[str, int]
) -> None:
    url = migrated_database_url
    ids = write(url, b"a", b"b")
    age(url)
    restore(url, ids, **other)
    assert deliveries(url) == ids
    for name in other:
        assert set(deliveries(url, name, margin=NOW)) >= set(ids[1:])


def test_rows_that_are_restored_while_a_publisher_runs_wait_for_the_next_one(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    with closing(PostgresStore(url)) as store:
        window = Window(store, store.open().position, limits=Limits())
        ids = write(url, b"a", b"b")
        restore(url, ids[:1])
        assert [row.id for _ in range(3) for row in window.read().rows] == ids[1:]
    with closing(PostgresStore(url)) as store:
        window = Window(store, store.open().position, limits=Limits())
        assert [row.id for _ in range(3) for row in window.read().rows] == ids


def test_a_restored_row_of_a_transaction_that_is_open_here_comes_once_when_that_has_ended(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    with closing(PostgresStore(url)) as store:
        window = Window(store, store.open().position, limits=Limits())
        reached = Writer(url)
        xid = reached.touch()
        (row,) = write(url, b"a")
        execute(url, f"UPDATE outbox_event SET xid = '{xid}'")
        assert [row.id for _ in range(3) for row in window.read().rows] == []
        reached.commit()
        assert [row.id for _ in range(3) for row in window.read().rows] == [row]


@pytest.mark.parametrize("frozen", [False, True])
def test_a_new_name_takes_no_restored_row_from_one_that_is_ahead_of_what_it_stored(
    migrated_database_url: str, frozen: bool
) -> None:
    url = migrated_database_url
    with closing(PostgresStore(url, name="other")) as store:
        window = Window(store, store.open().position, limits=Limits(rows=2))
        if frozen:
            write(url, b"a", b"b", b"c")
            store.save(window.read().end)
        window.read()
        ids = write(url, b"d", b"e")
        restore(url, ids)
        assert set(unpublished(url)) >= set(ids)
        assert [row.id for _ in range(3) for row in window.read().rows] == ids


def test_a_position_in_kafka_loses_no_restored_row_though_the_table_has_an_older_one(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    with closing(PostgresStore(url, keeper="kafka")) as store:
        position = store.open().position
        kept = store.small_window(position.prev, Limits()).now
        store.save(position)
    ids = write(url, b"a", b"b")
    restore(url, ids)
    with closing(PostgresStore(url, keeper="kafka")) as store:
        assert store.open().mirrored
        window = Window(store, Position(kept), limits=Limits())
        assert [row.id for _ in range(3) for row in window.read().rows] == ids


def test_a_new_name_makes_no_other_repeat_what_that_had_published_before_a_restore(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    ids = write(url, b"a", b"b")
    age(url)
    restore(url, ids, other=2)
    assert deliveries(url) == ids
    assert deliveries(url, "other", margin=NOW) == []


def begin_a_window(url: str) -> None:
    """Publish two rows of more than a page."""
    with closing(PostgresStore(url)) as store:
        page = Window(store, store.open().position, limits=Limits(rows=2)).read()
        store.save(page.after(2))


@pytest.mark.parametrize("ago", [timedelta(hours=1), NOW])
def test_a_rebase_goes_on_with_a_window_where_it_was(
    migrated_database_url: str, ago: timedelta
) -> None:
    url = migrated_database_url
    ids = write(url, b"a", b"b", b"c", b"d")
    age(url)
    begin_a_window(url)
    rebase(url, ago)
    assert unpublished(url) == ids[2:]


def test_a_rebase_repeats_of_a_window_from_the_first_row_on_that_comes_again(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    old = write(url, b"a")
    age(url)
    recent = [*write(url, b"b"), *write(url, b"c"), *write(url, b"d")]
    begin_a_window(url)
    rebase(url, timedelta(hours=1))
    assert unpublished(url) == recent
    assert old[0] < recent[0]


def test_a_window_of_another_server_is_left(migrated_database_url: str) -> None:
    url = migrated_database_url
    ids = [*write(url, b"a"), *write(url, b"b"), *write(url, b"c")]
    begin_a_window(url)
    execute(url, f"UPDATE outbox_event SET created_at = now() - interval '5 h' WHERE id < {ids[2]}")
    execute(url, "UPDATE outbox_position SET system_identifier = 1")
    rebase(url, timedelta(hours=1))
    assert unpublished(url) == ids


def test_the_lowest_id_that_comes_again_is_looked_for_among_what_does(
    connection: Connection,
) -> None:
    retained(connection, 2_000)
    ((lowest,),) = connection.execute("SELECT pg_current_xact_id()::text::bigint")
    retained(connection, 10)
    ((now,),) = connection.execute("SELECT pg_current_snapshot()::text")
    window = {"lowest": str(lowest), "xmax": str(Snapshot.parse(now).xmax), "now": now}
    ((found,),) = connection.execute(statement("first_again"), window)
    assert found == 2_001
    assert work(connection, "first_again", **window) <= 10


@pytest.mark.parametrize("keys", [1, 20])
def test_a_rebase_looks_at_no_row_for_what_is_set_aside_however_much_that_is(
    migrated_database_url: str, connection: Connection, keys: int
) -> None:
    url = migrated_database_url
    (row,) = write(url, b"k")
    with closing(PostgresStore(url)) as store:
        store.open()
        for n in range(keys):
            store.park(Parked(0, "t", b"%d" % n, row, "", Position()))
    publish(url)
    retained(connection, 500)
    age(url)
    publish(url)
    with connection.transaction():
        identity = read_identity(connection)
        rebase_position(connection, "default", identity, datetime.now(UTC))
        ((looked_at,),) = connection.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
            " WHERE relname = 'outbox_event'"
        )
    assert looked_at <= 501


def test_a_publisher_that_slept_through_a_rebase_cannot_move_the_position_back(
    migrated_database_url: str,
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        position = store.open().position
        rebase(migrated_database_url, NOW)
        with pytest.raises(Fenced):
            store.save(position)


def stand_here(url: str) -> Position:
    """Store a position behind everything there is."""
    with closing(PostgresStore(url)) as store:
        here = Position(store.small_window(store.open().position.prev, Limits()).now)
        store.save(here)
        return here


def set_aside(url: str, row: int, at: Position) -> None:
    """As a publisher does that stood there when it met this row."""
    with closing(connect(url, name="test")) as connection:
        park(connection, "default", Parked(0, "t", b"k", row, "it is refused", at))


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
    write(url, b"k")
    at = stand_here(url)
    ids = write(url, b"k", b"j", b"k")
    set_aside(url, ids[0], at)
    age(url)
    publish(url)
    for _ in range(2):
        rebase(url, NOW)
        assert read_back(url) == [ids[0], ids[2]]
    later = write(url, b"k")
    assert read_back(url) == [ids[0], ids[2], *later]


@pytest.mark.parametrize("starts", ["default", "other"])
def test_a_restored_row_that_is_set_aside_stays_unpublished_whoever_starts_first(
    migrated_database_url: str, starts: str
) -> None:
    url = migrated_database_url
    ids = write(url, b"k", b"k", b"j", b"k")
    age(url)
    restore(url, ids, default=4)
    with closing(connect(url, name="test")) as connection:
        ((xid,),) = connection.execute("SELECT min(xid)::text::bigint FROM outbox_event")
    set_aside(url, ids[1], Position(Snapshot(xid + 1, xid + 1)))
    if starts == "other":
        deliveries(url, "other")
    rebase(url, NOW)
    assert read_back(url) == [ids[1], ids[3]]


@pytest.mark.parametrize("restored", [False, True])
def test_a_row_set_aside_whose_transaction_ended_late_is_found_after_a_rebase(
    migrated_database_url: str, restored: bool
) -> None:
    url = migrated_database_url
    write(url, b"k")
    late = Writer(url)
    low = late.record(key=b"k")
    at = stand_here(url)
    (high,) = write(url, b"k")
    set_aside(url, high, at)
    late.commit()
    publish(url)
    age(url)
    if restored:
        restore(url, [low])
    rebase(url, NOW)
    assert read_back(url) == [low, high]
    rebase(url, NOW)
    assert read_back(url) == [low, high]


def test_what_a_retry_has_published_stays_so_after_a_rebase(migrated_database_url: str) -> None:
    url = migrated_database_url
    with closing(PostgresStore(url)) as store:
        at = store.open().position
        ids = write(url, b"k", b"k", b"k")
        here = Position(store.small_window(at.prev, Limits()).now)
        store.save(here)
        parked = Parked(0, "t", b"k", ids[1], "", at, until=here, cursor=ids[0])
        store.keep(replace(parked, id=store.park(parked).id))
    age(url)
    rebase(url, NOW)
    assert read_back(url) == ids[1:]


def test_what_a_rebase_publishes_again_comes_again_of_what_is_set_aside_too(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    ids = write(url, b"k", b"k")
    set_aside(
        url, ids[1] + 1_000, stand_here(url)
    )  # a row that a fail-over lost, and its id with it
    rebase(url, timedelta(hours=1))
    assert read_back(url) == ids


def test_a_position_that_is_removed_takes_what_was_set_aside_with_it(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    at = stand_here(url)
    (row,) = write(url, b"k")
    set_aside(url, row, at)
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
