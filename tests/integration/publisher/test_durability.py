"""What the publisher waits for until it is on the disk, and with standbys beyond."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from local.postgres import Postgres
from publisher.adapters.postgres import PostgresStore
from publisher.ports import Limits
from publisher.position import Position
from publisher.window import Window
from tests.conftest import migrate
from tests.waiting import eventually
from tests.writers import Writer


@contextmanager
def commits_that_wait(url: str) -> Iterator[None]:
    """Nobody is there to confirm them."""

    def confirmed_by(standbys: str) -> None:
        with psycopg.connect(url, autocommit=True) as operator:
            operator.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standbys}'".encode())
            operator.execute("SELECT pg_reload_conf()")
            eventually(
                lambda: operator.execute("SHOW synchronous_standby_names").fetchone() == (standbys,)
            )

    confirmed_by("nobody")
    try:
        yield
    finally:
        confirmed_by("")


def waits(url: str, pid: int) -> bool:
    with psycopg.connect(url, autocommit=True) as operator:
        found = operator.execute(
            "SELECT wait_event FROM pg_stat_activity WHERE pid = %s", [pid]
        ).fetchone()
    return found == ("SyncRep",)


def test_a_crash_cannot_take_a_stored_position_back(private_postgres: Postgres) -> None:
    url = private_postgres.create_database("shop")
    migrate(url)
    with closing(PostgresStore(url)) as store:
        store.open()
        saving = threading.Thread(target=store.save, args=(Position(),))
        with commits_that_wait(url):
            saving.start()
            eventually(lambda: waits(url, store._live.info.backend_pid))
        saving.join(10)
        assert not saving.is_alive()


@pytest.mark.xfail(strict=True, reason="a publisher that lives goes on from a snapshot in memory")
def test_a_row_under_a_number_that_a_crash_took_back_is_published(
    private_postgres: Postgres,
) -> None:
    url = private_postgres.create_database("shop")
    migrate(url)
    with closing(PostgresStore(url)) as store:
        store.open()
        with psycopg.connect(url, autocommit=True) as operator:
            operator.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
            operator.execute("SELECT pg_reload_conf()")
            operator.execute("CHECKPOINT")
        writer = Writer(url)
        number = writer.touch()
        writer.record()
        writer.rollback()
        window = Window(store, Position(), limits=Limits())
        assert not window.read().rows
        private_postgres.kill()
        private_postgres.start()
        successor = Writer(url)
        assert successor.touch() == number
        row = successor.record()
        successor.commit()
        store.close()
        store.open()
        assert [each.id for each in window.read().rows] == [row]
