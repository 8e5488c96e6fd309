"""Several stores of one name: who is active, who stands by, and when that changes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from local.postgres import Postgres
from publisher.adapters import heartbeat
from publisher.adapters.postgres import PostgresStore
from publisher.errors import StandsBy, StoreUnavailable
from publisher.guards import RIGHTS
from publisher.leader import TRY_EVERY
from publisher.ports import Limits
from publisher.position import NOTHING, Position
from tests.conftest import migrate
from tests.writers import execute, write

Stores = Callable[..., PostgresStore]


@pytest.fixture
def store(migrated_database_url: str) -> Iterator[Stores]:
    """Makes stores, which are closed after the test."""
    made: list[PostgresStore] = []

    def make(url: str = migrated_database_url) -> PostgresStore:
        made.append(PostgresStore(url))
        return made[-1]

    yield make
    for each in made:
        each.close()


def reason(standby: PostgresStore) -> str:
    with pytest.raises(StandsBy) as caught:
        standby.open()
    return str(caught.value)


def pid(store: PostgresStore) -> int:
    return store._live.info.backend_pid


def takes_over(standby: PostgresStore, seconds: float) -> bool:
    """Let it try as the loop does, for that long at most."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            standby.open()
        except StandsBy:
            time.sleep(TRY_EVERY)
        else:
            return True
    return False


def fall_asleep(store: PostgresStore) -> None:
    """What a frozen process does: nothing, not even a heartbeat."""
    assert store._heartbeat is not None
    store._heartbeat.end()


def stored(url: str) -> tuple[object, ...] | None:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT prev::text, now::text, last_id, epoch FROM outbox_position"
        ).fetchone()


def test_a_standby_keeps_its_connection_waits_for_nothing_and_holds_back_no_vacuum(
    store: Stores, migrated_database_url: str
) -> None:
    active, standby = store(), store()
    active.open()
    started = time.monotonic()
    reasons = {reason(standby)}
    session = pid(standby)
    reasons |= {reason(standby) for _ in range(20)}
    assert time.monotonic() - started < 3
    assert len(reasons) == 1
    assert f"(session {pid(active)} from " in reasons.pop()
    assert pid(standby) == session
    assert not standby.is_open
    with psycopg.connect(migrated_database_url) as connection:
        row = connection.execute(
            "SELECT state, backend_xmin, backend_xid FROM pg_stat_activity WHERE pid = %s",
            [session],
        ).fetchone()
    assert row == ("idle", None, None)


def test_a_standby_takes_over_at_its_next_try_when_the_session_of_the_active_one_ends(
    store: Stores,
) -> None:
    active, standby = store(), store()
    active.open()
    reason(standby)
    active.close()
    assert takes_over(standby, 1.0)


def test_a_session_from_which_nothing_comes_is_ended_within_5_s_and_stands_by_afterwards(
    store: Stores,
) -> None:
    active, standby = store(), store()
    active.open()
    fall_asleep(active)
    started = time.monotonic()
    assert takes_over(standby, 5.0)
    assert time.monotonic() - started > 2.5
    with pytest.raises(StoreUnavailable, match="one that stands by has taken over"):
        active.small_window(NOTHING, Limits())
    assert f"session {pid(standby)} " in reason(active)


def test_an_active_one_whose_loop_is_elsewhere_for_long_is_left_alone(store: Stores) -> None:
    active, standby = store(), store()
    active.open()
    assert not takes_over(standby, 6.0)
    active.save(Position())


def test_an_active_one_that_waits_for_a_long_statement_is_left_alone(store: Stores) -> None:
    active, standby = store(), store()
    active.open()
    fall_asleep(active)
    active._live.pgconn.send_query(b"SELECT pg_sleep(60)")
    active._live.pgconn.flush()
    assert not takes_over(standby, 4.5)


def test_one_that_was_frozen_and_lost_its_lock_cannot_move_the_position(
    store: Stores, migrated_database_url: str
) -> None:
    zombie, successor = store(), store()
    write(migrated_database_url, b"a")
    zombie.open()
    old = zombie.small_window(NOTHING, Limits()).now
    zombie._live.execute("SELECT pg_advisory_unlock_all()")
    write(migrated_database_url, b"b")
    successor.open()
    successor.save(Position(successor.small_window(NOTHING, Limits()).now))
    before = stored(migrated_database_url)
    with pytest.raises(StandsBy, match="took the position 'default' over while this one was"):
        zombie.save(Position(old))
    assert stored(migrated_database_url) == before
    assert not zombie.is_open
    assert "is active" in reason(zombie)


def test_a_role_that_could_not_take_over_from_a_frozen_one_says_so(
    store: Stores, migrated_database_url: str, role: str, role_url: str
) -> None:
    execute(migrated_database_url, f"GRANT SELECT ON outbox_metadata TO {role}")
    active, standby = store(), store(role_url)
    active.open()
    fall_asleep(active)
    assert f"GRANT {active._live.info.user} TO {role}" in reason(standby)
    assert not takes_over(standby, 4.0)


def test_the_grant_that_is_named_is_enough_to_take_over(
    store: Stores, migrated_database_url: str, role: str, role_url: str
) -> None:
    other = f"{role}_other"
    execute(migrated_database_url, f"CREATE ROLE {other} LOGIN PASSWORD '{role}'")
    try:
        for table, rights in RIGHTS.items():
            execute(migrated_database_url, f"GRANT {rights} ON {table} TO {role}, {other}")
        active, standby = store(role_url.replace(f"//{role}:", f"//{other}:")), store(role_url)
        active.open()
        fall_asleep(active)
        grant = f"GRANT {other} TO {role}"
        assert grant in reason(standby)
        execute(migrated_database_url, grant)
        assert "GRANT" not in reason(standby)
        assert takes_over(standby, 5.0)
    finally:
        execute(migrated_database_url, f"DROP OWNED BY {other}; DROP ROLE {other}")


def test_a_heartbeat_and_the_loop_share_a_connection(
    store: Stores, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "PULSE", 0.0)
    active = store()
    active.open()
    beats = 0
    beat = active._live.beat

    def counted() -> None:
        nonlocal beats
        beat()
        beats += 1

    monkeypatch.setattr(active._live, "beat", counted)
    for number in range(100):
        (row_id,) = write(migrated_database_url, b"%d" % number)
        small = active.small_window(NOTHING, Limits())
        assert [row.id for row in small.rows or ()][-1] == row_id
    assert beats > 100


def test_a_heartbeat_to_a_server_that_hangs_keeps_nobody_from_closing(
    private_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "PULSE", 0.1)
    url = private_postgres.create_database("shop")
    migrate(url)
    with closing(PostgresStore(url)) as active:
        active.open()
        beat, beating = active._live.beat, threading.Event()

        def noted() -> None:
            beating.set()
            beat()

        private_postgres.freeze()
        try:
            monkeypatch.setattr(active._live, "beat", noted)
            assert beating.wait(10)
            started = time.monotonic()
            active.close()
            assert time.monotonic() - started < 2.0
        finally:
            private_postgres.thaw()
