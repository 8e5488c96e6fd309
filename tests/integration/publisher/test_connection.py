"""A connection to a server that is gone, stands still or is overloaded."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from threading import Event
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from local.postgres import Postgres
from publisher.adapters import connection as adapter
from publisher.adapters import heartbeat
from publisher.adapters.connection import Connection, TimedOut, connect
from publisher.adapters.postgres import PostgresStore
from publisher.config import Config
from publisher.errors import StandsBy, StoreUnavailable
from publisher.health import Health
from publisher.leader import FROZEN
from publisher.ports import Chunk, Limits
from publisher.position import NOTHING, Position
from publisher.service import build_relay
from publisher.sql import statement
from publisher.stop import GRACE, Stop
from publisher.window import Window
from tests.conftest import migrate
from tests.waiting import eventually
from tests.writers import execute, write


def setting(connection: Connection, name: str) -> str:
    row = connection.execute(f"SHOW {name}").fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(adapter, "_GRACE", 0.5)
    monkeypatch.setattr("publisher.adapters.postgres.PATIENCE", 0.5)
    return 0.5


def test_the_server_soon_ends_a_session_whose_client_is_gone(
    migrated_database_url: str,
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        assert setting(store._live, "tcp_keepalives_idle") == "5"
        assert setting(store._live, "tcp_keepalives_interval") == "2"
        assert setting(store._live, "tcp_keepalives_count") == "3"
        assert setting(store._live, "tcp_user_timeout") == "10000"


def test_a_time_out_of_the_database_is_not_that_of_the_publisher(
    migrated_database_url: str,
) -> None:
    name = urlsplit(migrated_database_url).path.strip("/")
    execute(migrated_database_url, f"ALTER DATABASE {name} SET statement_timeout = '1s'")
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        assert setting(store._live, "statement_timeout") == "30s"
    with closing(connect(migrated_database_url, name="test")) as command:
        assert setting(command, "statement_timeout") == "0"


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("2026-01-31 12:00:00.000005+05:45", b"2026-01-31T06:15:00.000005Z"),
        ("2026-01-31 12:00:00+00", b"2026-01-31T12:00:00Z"),
    ],
)
def test_times_are_in_utc_wherever_the_database_is(
    migrated_database_url: str, stored: str, sent: bytes
) -> None:
    name = urlsplit(migrated_database_url).path.strip("/")
    for setting_ in ("timezone = 'Asia/Kathmandu'", "datestyle = 'German, DMY'"):
        execute(migrated_database_url, f"ALTER DATABASE {name} SET {setting_}")
    write(migrated_database_url, b"a")
    execute(migrated_database_url, f"UPDATE outbox_event SET created_at = '{stored}'")
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        (small,) = store.small_window(NOTHING, Limits()).rows or ()
        (ranged,) = foreseen(store)().rows
        assert small.time == ranged.time == sent


def test_a_server_that_stands_still_is_given_up_and_found_again(
    private_postgres: Postgres, impatient: float
) -> None:
    url = private_postgres.create_database("shop")
    migrate(url)
    with closing(PostgresStore(url)) as store:
        store.open()
        private_postgres.freeze()
        started = time.monotonic()
        try:
            with pytest.raises(TimedOut, match=f"does not answer within {impatient:g} s"):
                store.small_window(NOTHING, Limits())
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                store.open()
        finally:
            private_postgres.thaw()
        assert time.monotonic() - started < 10
        eventually(lambda: opens(store))
        assert store.small_window(NOTHING, Limits()).rows == ()


def test_two_hosts_that_are_silent_are_given_up_sooner_than_a_polite_stop() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = f"{one.getsockname()[1]},{other.getsockname()[1]}"
        url = f"host=127.0.0.1,127.0.0.1 port={ports} user=app dbname=shop"
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            connect(url, name="test")
        assert time.monotonic() - started < GRACE


def opens(store: PostgresStore) -> bool:
    try:
        store.open()
    except StoreUnavailable:
        return False
    return True


def test_a_statement_that_takes_too_long_ends_in_the_server_and_gets_more_time_later(
    migrated_database_url: str, impatient: float
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        with psycopg.connect(migrated_database_url) as blocker:
            blocker.execute("LOCK TABLE outbox_event")
            with pytest.raises(TimedOut, match="pg_stat_activity"):
                store.small_window(NOTHING, Limits())
            assert not store.is_open
            eventually(lambda: opens(store))
            assert setting(store._live, "statement_timeout") == "1s"
            blocker.rollback()
            store.small_window(NOTHING, Limits())
            assert setting(store._live, "statement_timeout") == "500ms"
            assert store._live.patience == store._patience == impatient


def foreseen(store: PostgresStore) -> Callable[[], Chunk]:
    """The table, which is asked for and not waited for."""
    everything = store.small_window(NOTHING, Limits()).now
    return store.foresee(Position(NOTHING, everything), 0, 2**40, Limits(bytes=2**30))


def test_a_foreseen_page_that_takes_too_long_is_given_up_like_any_other(
    migrated_database_url: str, impatient: float
) -> None:
    with (
        closing(PostgresStore(migrated_database_url)) as store,
        psycopg.connect(migrated_database_url) as blocker,
    ):
        store.open()
        blocker.execute("LOCK TABLE outbox_event IN ACCESS EXCLUSIVE MODE NOWAIT")
        answer = store.foresee(Position(NOTHING, NOTHING), 0, 10, Limits())
        with pytest.raises(TimedOut, match="pg_stat_activity"):
            answer()
        assert not store.is_open
        assert store._patience == 2 * impatient
        blocker.rollback()
        store.open()
        store.backlog(Position())  # What is quick says nothing of a page.
        assert store._live.patience == store._patience == 2 * impatient
        store.span(Position(NOTHING, NOTHING), 0, 10, Limits())
        assert store._live.patience == store._patience == impatient


def test_a_foreseen_page_of_a_server_that_stands_still_is_waited_for_once(
    private_postgres: Postgres, impatient: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = impatient + 2.5
    monkeypatch.setattr(adapter, "_GRACE", 2.5)
    url = private_postgres.create_database("shop")
    migrate(url)
    with closing(PostgresStore(url)) as store:
        store.open()
        answer = foreseen(store)
        answer()
        private_postgres.freeze()
        started = time.monotonic()
        try:
            answer = store.foresee(Position(NOTHING, NOTHING), 0, 10, Limits())
            with pytest.raises(TimedOut):
                store.save(Position())
            assert time.monotonic() - started < 2 * once
            with pytest.raises(StoreUnavailable, match="closed"):
                answer()
        finally:
            private_postgres.thaw()


def test_a_foreseen_page_whose_session_is_ended_is_an_outage(migrated_database_url: str) -> None:
    write(migrated_database_url, *[b"k"] * 20, value=b"x" * 1_000_000)
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        answer = foreseen(store)
        with psycopg.connect(migrated_database_url, autocommit=True) as operator:
            operator.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        with pytest.raises(StoreUnavailable):
            answer()
        assert not store.is_open
        eventually(lambda: opens(store))
        assert len(answer().rows) == 20


@pytest.mark.timeout(120)
def test_a_session_that_is_ended_at_whatever_moment_is_an_outage_and_nothing_else(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "PULSE", 0.005)
    ids = write(migrated_database_url, *[b"k"] * 200, value=b"x" * 20_000)
    outages, seen = 0, list[int]()
    with (
        closing(PostgresStore(migrated_database_url)) as store,
        ending_sessions(migrated_database_url) as ended,
    ):
        while (ending := len(ended) < 100) or seen != ids:
            try:
                if not store.is_open:
                    store.open()
                    window, seen = Window(store, Position(), limits=Limits(rows=20)), []
                seen += [row.id for row in window.read().rows]
                window.foresee()
                store.save(Position())
            except StoreUnavailable:
                outages += 1
            if len(seen) == len(ids) and ending:
                window, seen = Window(store, Position(), limits=Limits(rows=20)), []
    assert outages > 20


@contextmanager
def ending_sessions(url: str) -> Iterator[set[object]]:
    """End a hundred of the publisher's sessions, after moments that differ."""
    ended, over, moments = set[object](), threading.Event(), random.Random(1)

    def end_them() -> None:
        with psycopg.connect(url, autocommit=True) as operator:
            while not over.wait(moments.random() * 0.03) and len(ended) < 100:
                ended.update(
                    operator.execute(
                        "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                        "AND datname = current_database() AND application_name LIKE 'outbox-%' "
                        "AND pg_terminate_backend(pid)"
                    )
                )

    thread = threading.Thread(target=end_them)
    thread.start()
    try:
        yield ended
    finally:
        over.set()
        thread.join()


def test_a_foreseen_page_holds_no_session_active_that_nobody_waits_for(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "PULSE", 0.2)
    write(migrated_database_url, *[b"k"] * 20, value=b"x" * 1_000_000)
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        answer = foreseen(store)
        pid = store._live.info.backend_pid
        with psycopg.connect(migrated_database_url, autocommit=True) as operator:

            def beats() -> set[tuple[object, ...]]:
                return set(
                    operator.execute(
                        "SELECT state, query FROM pg_stat_activity WHERE pid = %s", [pid]
                    )
                )

            eventually(lambda: beats() == {("idle", "SELECT")})
        assert len(answer().rows) == 20


def test_a_takeover_that_takes_too_long_doubles_the_time_once(
    migrated_database_url: str, impatient: float
) -> None:
    with (
        closing(PostgresStore(migrated_database_url)) as store,
        psycopg.connect(migrated_database_url) as blocker,
    ):
        blocker.execute("LOCK TABLE outbox_position")
        with pytest.raises(TimedOut):
            store.open()
        assert store._patience == 2 * impatient


@contextmanager
def rebase_that_waits(url: str) -> Iterator[None]:
    """The position is of another history, and moving it takes as long as the block does."""
    with closing(PostgresStore(url)) as store:
        store.open()
    execute(url, "UPDATE outbox_position SET timeline = timeline + 1")
    with psycopg.connect(url) as blocker:
        blocker.execute(statement("lock_retention"))
        yield


def test_another_history_is_adopted_however_long_that_takes_and_nobody_takes_it_for_frozen(
    migrated_database_url: str, impatient: float
) -> None:
    url, turns = migrated_database_url, Event()
    with (
        closing(PostgresStore(url, margin=timedelta(), waiting=turns.set)) as store,
        closing(PostgresStore(url)) as standby,
        ThreadPoolExecutor() as pool,
    ):
        with rebase_that_waits(url):
            opened = pool.submit(store.open)
            eventually(lambda: waits_for_lock(url))
            deadline = time.monotonic() + FROZEN + 1.5
            while time.monotonic() < deadline:
                assert lock_is_taken(standby)
                turns.clear()
                assert turns.wait(1.0)
            assert not opened.done()
        assert opened.result(10).inherited
        assert setting(store._live, "statement_timeout") == "500ms"
        assert store._live.patience == impatient


def waits_for_lock(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone()
        return row is not None


def lock_is_taken(standby: PostgresStore) -> bool:
    with pytest.raises(StandsBy):
        standby.open()
    return True


def test_a_stop_while_another_history_is_adopted_is_polite(
    migrated_database_url: str, impatient: float
) -> None:
    url = migrated_database_url
    with (
        closing(PostgresStore(url, margin=timedelta(), ending=lambda: True)) as store,
        rebase_that_waits(url),
    ):
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="in time"):
            store.open()
        assert impatient < time.monotonic() - started < GRACE


@pytest.mark.usefixtures("impatient")
def test_the_loop_is_alive_while_a_table_is_locked(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.health.STALL", 1.0)
    health, stop = Health(), Stop()
    config = Config(
        database_url=SecretStr(migrated_database_url), kafka_bootstrap_servers="127.0.0.1:1"
    )
    relay = threading.Thread(target=build_relay(config, health, stop).run, args=(stop,))
    with psycopg.connect(migrated_database_url) as blocker:
        blocker.execute("LOCK TABLE outbox_event")
        relay.start()
        try:
            eventually(lambda: health.waits >= 2)
            for _ in range(15):
                time.sleep(0.1)
                assert health.alive
        finally:
            stop.set()
            blocker.rollback()
            relay.join(10)
