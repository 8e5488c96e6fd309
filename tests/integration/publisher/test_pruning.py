"""What is removed from the tables and what stays, whoever does something at the same moment."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import psycopg
import pytest

from publisher.adapters.connection import Connection, connect
from publisher.adapters.postgres import PostgresStore
from publisher.adapters.retained import PostgresRetained
from publisher.adapters.tables import (
    read_backlog,
    read_identity,
    rebase_position,
    remove_position,
)
from publisher.errors import StoreUnavailable
from publisher.ports import Limits
from publisher.pruning import Pruned, Pruner, Range
from publisher.sql import statement
from publisher.window import Window
from tests.integration.publisher.plans import plan_of_many, retained, work
from tests.waiting import eventually
from tests.writers import Writer, execute, write

WEEK = timedelta(days=7)
NONE = timedelta()
HOUR = timedelta(hours=1)


@pytest.fixture
def url(migrated_database_url: str) -> str:
    return migrated_database_url


def age(url: str, days: int = 8, where: str = "true") -> None:
    execute(
        url,
        f"UPDATE outbox_event SET created_at = created_at - interval '{days} days' WHERE {where}",
    )


def published(url: str, name: str = "default") -> None:
    """Let a publisher of that name have published what is visible."""
    with closing(PostgresStore(url, name=name)) as store:
        window = Window(store, store.open().position, limits=Limits())
        end = window.read().end
        while (page := window.read()).rows:
            end = page.end
        store.save(end)


def prune(url: str, horizon: timedelta = WEEK, *, dry_run: bool = False) -> Pruned:
    with closing(PostgresRetained(url, name="x", horizon=horizon, dry_run=dry_run)) as rows:
        return Pruner(rest=lambda _: False).prune(rows)


def ids(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT id FROM outbox_event ORDER BY id").fetchall()
    return [row_id for (row_id,) in rows]


def test_what_is_published_and_older_than_the_horizon_is_removed(url: str) -> None:
    write(url, b"old", b"older")
    published(url)
    age(url)
    young = write(url, b"young")
    published(url)
    unpublished = write(url, b"old too")
    age(url, where=f"id = {unpublished[0]}")
    done = prune(url)
    assert ids(url) == young + unpublished
    assert (done.rows, done.waits_for, done.whole) == (2, frozenset({"default"}), True)


def test_without_a_position_nothing_is_removed(url: str) -> None:
    rows = write(url, b"a")
    age(url)
    assert prune(url).rows == 0
    assert ids(url) == rows


def test_a_row_stays_until_every_publisher_has_published_it(url: str) -> None:
    write(url, b"a")
    published(url, "first")
    published(url, "second")
    one = write(url, b"b")
    published(url, "first")
    assert prune(url, NONE).waits_for == {"second"}
    assert ids(url) == one
    published(url, "second")
    assert prune(url, NONE).waits_for == frozenset()
    assert ids(url) == []


def test_a_position_of_another_history_keeps_everything(url: str) -> None:
    rows = write(url, b"a")
    published(url)
    for change in ("timeline = timeline + 1", "system_identifier = 1, timeline = timeline - 1"):
        execute(url, f"UPDATE outbox_position SET {change}")
        assert prune(url, NONE).waits_for == {"default"}
        assert ids(url) == rows


def test_inside_a_frozen_window_the_published_part_is_removed(url: str) -> None:
    late, later = Writer(url), Writer(url)
    late_id, later_id = late.record(), later.record()
    write(url, b"a")
    published(url)
    late.commit()
    rows = write(url, *[b"b"] * 6)
    with closing(PostgresStore(url)) as store:
        window = Window(store, store.open().position, limits=Limits(rows=3))
        assert [row.id for row in window.read().rows] == [late_id]
        store.save(window.read().after(2))
    later.commit()
    assert prune(url, NONE).rows == 1 + 1 + 2
    assert ids(url) == [later_id, *rows[2:]]


def test_a_row_that_becomes_visible_late_is_never_removed_unpublished(url: str) -> None:
    late = Writer(url)
    late_id = late.record()
    write(url, *[b"a"] * 5)
    published(url)
    late.commit()
    assert prune(url, NONE).waits_for == {"default"}
    assert ids(url) == [late_id]
    published(url)
    prune(url, NONE)
    assert ids(url) == []


def test_a_position_that_nobody_has_used_keeps_everything(url: str) -> None:
    rows = write(url, b"a")
    execute(url, "INSERT INTO outbox_position (name) VALUES ('new')")
    published(url)
    assert prune(url, NONE).waits_for == {"new"}
    assert ids(url) == rows


def test_restored_rows_of_future_transactions_stay(url: str) -> None:
    rows = write(url, b"a")
    published(url)
    execute(url, "UPDATE outbox_event SET xid = (xid::text::bigint + 1000000)::text::xid8")
    prune(url, NONE)
    assert ids(url) == rows


def park(url: str, topic: str, key: str | None = None, publisher: str = "default") -> None:
    """Set a key aside, or a topic, at the stored position of a publisher."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO outbox_parked (publisher, topic, key, row_id, reason, prev, now, last_id) "
            "SELECT name, %s, convert_to(%s, 'UTF8'), 0, '', prev, now, last_id "
            "FROM outbox_position WHERE name = %s",
            [topic, key, publisher],
        )


def test_what_is_set_aside_stays_and_what_is_not_of_it_goes(url: str) -> None:
    write(url, b"k", topic="a")
    published(url)
    park(url, "a", "k")
    park(url, "b")
    key = write(url, b"k", topic="a")
    topic = write(url, b"k", b"l", topic="b")
    write(url, b"l", topic="a")
    write(url, b"k", topic="c")
    published(url)
    done = prune(url, NONE)
    assert ids(url) == key + topic
    assert (done.rows, done.parked) == (3, 3)
    execute(url, "DELETE FROM outbox_parked")
    assert prune(url, NONE).rows == 3


def test_what_a_removed_publisher_has_set_aside_keeps_nothing(
    url: str, connection: Connection
) -> None:
    for name in ("reports", "default"):
        published(url, name)
        park(url, "t", publisher=name)
    write(url, b"a")
    for name in ("reports", "default"):
        published(url, name)
    assert remove_position(connection, "reports")
    assert not remove_position(connection, "reports")
    assert prune(url, NONE).parked == 1
    execute(url, "DELETE FROM outbox_parked WHERE publisher = 'default'")
    assert prune(url, NONE).rows == 1


def test_a_dry_run_counts_and_removes_nothing(url: str) -> None:
    rows = write(url, b"a", b"b")
    published(url)
    request(url, "clock_timestamp() - interval '1 minute'")
    done = prune(url, NONE, dry_run=True)
    assert (done.rows, done.requests) == (2, 1)
    assert ids(url) == rows
    assert requests(url) == 1


def request(url: str, done_at: str) -> None:
    execute(
        url,
        "INSERT INTO outbox_request (publisher, verb, parked_id, row_id, done_at) "
        f"VALUES ('default', 'retry', 1, 1, {done_at})",
    )


def requests(url: str) -> int:
    with psycopg.connect(url) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM outbox_request")
    return int(count)


def test_requests_that_were_done_long_ago_are_removed(url: str) -> None:
    for done_at in ("NULL", "clock_timestamp()", "clock_timestamp() - interval '8 days'"):
        request(url, done_at)
    assert prune(url).requests == 1
    assert requests(url) == 2


def test_gaps_in_the_ids_cost_nothing(url: str) -> None:
    write(url, b"a")
    gap = "SELECT setval(pg_get_serial_sequence('outbox_event', 'id'), 1000000000000)"
    execute(url, gap)
    write(url, b"b")
    published(url)
    asked = list[int]()

    class Counting(PostgresRetained):
        def prune(self, after: int, limit: int) -> Range:
            asked.append(after)
            return super().prune(after, limit)

    with closing(Counting(url, name="x", horizon=NONE)) as rows:
        assert Pruner(rest=lambda _: False).prune(rows).rows == 2
    assert len(asked) == 1


class Aside(Thread):
    """Something that runs aside, and what it returned."""

    def __init__(self, run: Callable[[], object]) -> None:
        super().__init__()
        self._run_this = run
        self.result: object = None
        self.start()

    def run(self) -> None:
        self.result = self._run_this()

    def waits_for_a_lock(self, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            eventually(
                lambda: (
                    connection.execute(
                        "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' "
                        "AND database = (SELECT oid FROM pg_database WHERE datname = "
                        "current_database())"
                    ).fetchone()
                    == (1,)
                )
            )
        assert self.is_alive()


@pytest.fixture
def other(url: str) -> Iterator[Connection]:
    """A second session of the publisher."""
    with closing(connect(url, name="other")) as connection:
        yield connection


def params(connection: Connection, **more: object) -> dict[str, object]:
    identity = read_identity(connection)
    return {
        "system_identifier": identity.system_identifier,
        "timeline": identity.timeline,
        "horizon": "0",
        "dry_run": False,
        "after": 0,
        "rows": 1_000,
        **more,
    }


def test_what_a_rebase_asks_for_at_the_same_moment_is_not_removed(
    url: str, connection: Connection
) -> None:
    rows = write(url, b"a", b"b")
    published(url)
    identity = read_identity(connection)
    with connection.transaction():
        rebase_position(connection, "default", identity, datetime.now(UTC) - HOUR)
        pruning = Aside(lambda: prune(url, NONE))
        pruning.waits_for_a_lock(url)
    pruning.join(10)
    assert ids(url) == rows
    assert isinstance(pruning.result, Pruned)
    assert pruning.result.waits_for == {"default"}


def test_a_rebase_counts_what_is_left_when_pruning_has_ended(
    url: str, connection: Connection, other: Connection
) -> None:
    write(url, b"a", b"b")
    published(url)

    def rebase() -> int:
        identity = read_identity(other)
        moved = rebase_position(other, "default", identity, datetime.now(UTC) - HOUR)
        return read_backlog(other, moved.position).rows

    with connection.transaction():
        connection.execute(statement("lock_retention"))
        connection.execute(statement("prune_events"), params(connection))
        rebasing = Aside(rebase)
        rebasing.waits_for_a_lock(url)
    rebasing.join(10)
    assert rebasing.result == 0
    assert ids(url) == []


def test_a_publisher_of_a_new_name_waits_and_one_that_is_known_does_not(
    url: str, connection: Connection
) -> None:
    write(url, b"a", b"b")
    published(url)

    def start() -> int:
        with closing(PostgresStore(url, name="new")) as store:
            return len(Window(store, store.open().position, limits=Limits()).read().rows)

    with connection.transaction():
        connection.execute(statement("lock_retention"))
        connection.execute(statement("prune_events"), params(connection))
        published(url)
        starting = Aside(start)
        starting.waits_for_a_lock(url)
    starting.join(10)
    assert starting.result == 0


def test_pruning_blocks_neither_writers_nor_the_relay(url: str, connection: Connection) -> None:
    write(url, b"a", b"b")
    published(url)
    with connection.transaction():
        connection.execute(statement("lock_retention"))
        connection.execute(statement("prune_events"), params(connection))
        execute(
            url, "ALTER ROLE CURRENT_USER IN DATABASE " + name_of(url) + " SET lock_timeout = 2000"
        )
        write(url, b"c")
        published(url)
        assert len(ids(url)) == 3
    assert len(ids(url)) == 1


def name_of(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


def test_between_two_ranges_it_holds_nothing(url: str, connection: Connection) -> None:
    write(url, b"a")
    published(url)
    with closing(PostgresRetained(url, name="x", horizon=NONE)) as rows:
        assert rows.prune(0, 10).removed == 1
        held = connection.execute(
            "SELECT a.state, count(l.pid) FROM pg_stat_activity AS a LEFT JOIN pg_locks AS l USING "
            "(pid) WHERE application_name = 'outbox-publisher:x:prune' AND datname = "
            "current_database() GROUP BY a.state"
        ).fetchall()
    assert held == [("idle", 0)]


def test_a_lock_that_others_hold_is_an_outage_and_not_waited_for_long(url: str) -> None:
    write(url, b"a")
    published(url)
    holder = Writer(url)
    holder.execute("SELECT FROM outbox_event FOR UPDATE")
    with pytest.raises(StoreUnavailable, match="another session holds rows of outbox_event"):
        prune(url, NONE)
    holder.rollback()
    assert prune(url, NONE).rows == 1


def test_a_stop_ends_it_in_the_middle_of_a_statement(url: str, connection: Connection) -> None:
    write(url, b"a")
    stop = Event()

    def prune() -> str:
        rows = PostgresRetained(url, name="x", horizon=NONE, unwanted=stop.is_set)
        with closing(rows), pytest.raises(StoreUnavailable) as ended:
            rows.prune(0, 10)
        return str(ended.value)

    with connection.transaction():
        connection.execute(statement("lock_retention"))
        pruning = Aside(prune)
        pruning.waits_for_a_lock(url)
        stop.set()
        pruning.join(10)
    assert "pruning was ended" in str(pruning.result)


def test_a_right_that_is_missing_is_named(url: str, role: str, role_url: str) -> None:
    execute(
        url,
        f"GRANT SELECT ON outbox_event, outbox_metadata, outbox_position, outbox_parked TO {role}; "
        f"GRANT SELECT, DELETE ON outbox_request TO {role}",
    )
    with pytest.raises(StoreUnavailable, match=f"GRANT DELETE ON outbox_event TO {role}$"):
        prune(role_url)
    execute(url, f"GRANT DELETE ON outbox_event TO {role}")
    assert prune(role_url).rows == 0


def test_its_session_has_a_name_of_its_own(url: str, connection: Connection) -> None:
    with closing(PostgresRetained(url, name="shop", horizon=WEEK)):
        names = connection.execute(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        ).fetchall()
    assert ("outbox-publisher:shop:prune",) in names


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("analyzed", [False, True])
def test_a_range_is_found_by_the_primary_key_whatever_the_statistics_say(
    connection: Connection, analyzed: bool, mode: str
) -> None:
    retained(connection, 20_000)
    if analyzed:
        connection.execute("ANALYZE outbox_event")
    connection.execute(f"SET plan_cache_mode = {mode}")
    plan = plan_of_many(connection, "prune_events", **params(connection))
    assert plan.count("outbox_event_pkey on outbox_event") == 2
    assert "outbox_event_xid" not in plan
    assert "Seq Scan on outbox_event" not in plan


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_range_looks_at_its_own_rows_only(
    url: str, connection: Connection, analyzed: bool
) -> None:
    retained(connection, 20_000)
    published(url)
    if analyzed:
        connection.execute("ANALYZE outbox_event")
    assert work(connection, "prune_events", **params(connection, rows=500)) <= 3_000
