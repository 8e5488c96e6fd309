"""What the publisher waits for until it is on the disk, and with standbys beyond."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import psycopg
import pytest

from local.postgres import Postgres
from publisher.adapters.memory_broker import MemoryBroker, MemoryTransactions
from publisher.adapters.postgres import PostgresStore
from publisher.errors import StoreUnavailable
from publisher.health import Health
from publisher.ports import Broker, Tenure
from publisher.position import Position
from publisher.relay import Relay
from tests.conftest import migrate
from tests.waiting import eventually
from tests.writers import Writer, execute, write


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


def repeat(something: Callable[[], None], over: threading.Event) -> None:
    while not over.is_set():
        something()


@pytest.mark.parametrize(
    "secure", [lambda store: store.save(Position()), lambda store: store.confirm()]
)
def test_a_crash_cannot_take_back_what_a_position_counts(
    private_postgres: Postgres, secure: Callable[[PostgresStore], None]
) -> None:
    url = private_postgres.create_database("shop")
    migrate(url)
    with closing(PostgresStore(url)) as store:
        store.open()
        seen = threading.Event()
        # Once is not enough: some process of the server hears of the standbys later than others.
        securing = threading.Thread(target=repeat, args=(lambda: secure(store), seen))
        with commits_that_wait(url):
            securing.start()
            try:
                eventually(lambda: waits(url, store._live.info.backend_pid), timeout=20)
            finally:
                seen.set()
        securing.join(30)
        assert not securing.is_alive()


@pytest.fixture
def shop(private_postgres: Postgres) -> str:
    """A database whose log reaches the disk only where somebody waits for that."""
    url = private_postgres.create_database("shop")
    migrate(url)
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        operator.execute("SELECT pg_reload_conf()")
        operator.execute("CHECKPOINT")
    return url


def rolled_back(url: str) -> int:
    """The number of a transaction that the disk knows nothing of."""
    writer = Writer(url)
    number = writer.touch()
    writer.record()
    writer.rollback()
    return number


def in_a_savepoint(url: str) -> int:
    """The number of a savepoint whose transaction is open; snapshots count it as past."""
    writer = Writer(url)
    writer.touch()
    writer.execute("SAVEPOINT nested")
    writer.record()
    row = writer._connection.execute("SELECT max(xmin::text::bigint) FROM outbox_event").fetchone()
    assert row is not None
    execute(url, "SELECT pg_current_xact_id()")  # Past is what is below one that has ended.
    return int(row[0])


def publish(relay: Relay, wanted: Callable[[], object]) -> None:
    def step() -> object:
        relay.step()
        return wanted()

    eventually(step, timeout=20)


def make_relay(url: str, broker: Broker) -> Relay:
    keeper = "kafka" if broker.atomic else "database"
    return Relay(store=PostgresStore(url, keeper=keeper), broker=broker, health=Health())


def test_a_row_under_a_number_that_a_crash_took_back_is_published(
    private_postgres: Postgres, shop: str
) -> None:
    broker = MemoryBroker()
    relay = make_relay(shop, broker)
    ids = write(shop, b"before")
    publish(relay, lambda: relay._bookmark.is_at(relay._position) and broker.log)
    successor = under_a_number_seen(relay, private_postgres, shop)
    ids.append(successor.record())
    successor.commit()
    publish(relay, lambda: len(broker.log) > 1)
    assert [record.id for record in broker.log] == ids


def under_a_number_seen(relay: Relay, postgres: Postgres, url: str) -> Writer:
    """A transaction whose number the relay has seen before a crash took it back.

    Again, where something else drew that number, or had the log written before the crash.
    """
    for _ in range(5):
        number = rolled_back(url)
        publish(relay, lambda number=number: relay._position.prev.sees(number))  # type: ignore[misc]
        postgres.kill()
        postgres.start()
        successor = Writer(url)
        if successor.touch() == number:
            return successor
        successor.rollback()
    raise AssertionError("each time the disk knew of the transaction")


@pytest.mark.parametrize("spent", [rolled_back, in_a_savepoint])
def test_a_position_in_kafka_counts_no_number_that_a_crash_takes_back(
    private_postgres: Postgres, shop: str, spent: Callable[[str], int]
) -> None:
    broker = MemoryTransactions()
    relay = make_relay(shop, broker)
    publish(relay, lambda: broker.journal)
    waiting = Writer(shop)
    waiting.execute("SET LOCAL synchronous_commit = off")
    row = waiting.record()
    number = spent(shop)
    rolled_back(shop)  # A snapshot ends behind the last transaction that ended.
    waiting.commit()
    publish(relay, lambda: broker.log)
    assert broker.journal is not None
    assert broker.journal.position.prev.sees(number)
    private_postgres.kill()
    private_postgres.start()
    assert Writer(shop).touch() > number
    assert [record.id for record in broker.log] == [row]


@pytest.mark.parametrize("died", ["the server", "a session"])
def test_after_a_crash_the_stored_position_counts_again(
    private_postgres: Postgres, shop: str, died: str
) -> None:
    with closing(PostgresStore(shop)) as store:
        store.open()
        store.close()
        if died == "the server":
            private_postgres.kill()
            private_postgres.start()
        else:
            kill_a_session(shop)
        assert next(opened(store)).inherited
        store.close()
        assert not store.open().inherited


def test_who_is_cut_off_while_it_opens_is_told_the_next_time(
    shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PostgresStore(shop)) as store:
        with monkeypatch.context() as cut, pytest.raises(StoreUnavailable):
            cut.setattr(store, "_hang_bell", lambda: store._rows(b"SELECT pg_terminate()"))
            store.open()
        assert store.open().inherited
        store.close()
        assert not store.open().inherited


def kill_a_session(url: str) -> None:
    """The server recovers as after its own death, and lives on."""
    victim = psycopg.connect(url)
    os.kill(victim.info.backend_pid, signal.SIGKILL)
    with pytest.raises(psycopg.OperationalError):
        victim.execute("SELECT pg_sleep(10)")


def opened(store: PostgresStore) -> Iterator[Tenure]:
    """As soon as the server has recovered."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(StoreUnavailable):
            yield store.open()
        time.sleep(0.05)


def test_after_a_clean_restart_nothing_that_was_read_is_read_again(
    private_postgres: Postgres, shop: str
) -> None:
    with closing(PostgresStore(shop)) as store:
        store.open()
        store.close()
        private_postgres.stop()
        private_postgres.start()
        assert not store.open().inherited


def test_a_position_waits_for_the_disk_though_the_role_does_not(shop: str) -> None:
    with psycopg.connect(shop, autocommit=True) as operator:
        operator.execute("ALTER DATABASE shop SET synchronous_commit = off")
    with closing(PostgresStore(shop)) as store:
        store.open()
        found = store._live.execute("SHOW synchronous_commit").fetchone()
        assert found == ("local",)


def test_to_confirm_leaves_no_version_of_the_position_behind(shop: str) -> None:
    with closing(PostgresStore(shop)) as store:
        store.open()
        before = version(shop)
        for _ in range(3):
            store.confirm()
        assert version(shop) == before


def version(url: str) -> object:
    with psycopg.connect(url) as reader:
        return reader.execute("SELECT ctid, xmin FROM outbox_position").fetchall()
