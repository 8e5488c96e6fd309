"""The sleep of a publisher against PostgreSQL: nothing is overslept, and it costs little."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import psycopg
import pytest

from publisher.adapters import heartbeat, pooler
from publisher.adapters.memory_broker import MemoryBroker
from publisher.adapters.postgres import PostgresStore
from publisher.health import Health
from publisher.ports import Limits
from publisher.position import NOTHING
from publisher.relay import Pace, Relay
from publisher.stop import Stop
from tests.integration.publisher.sparse import (
    PACE,
    SESSION_LEVEL,
    SOON,
    Counting,
    Outcome,
    WithoutSecondRead,
    write_sparsely,
)
from tests.waiting import eventually
from tests.writers import INSERT, Writer, execute, write

WRITES = int(os.environ.get("SPARSE_WRITES", 1_500))


class Running:
    """A relay in a thread, from PostgreSQL to a broker in memory."""

    def __init__(self, url: str, pace: Pace, name: str) -> None:
        self.store, self.broker = Counting(url, name=name), MemoryBroker()
        self.health, self.stop = Health(), Stop()
        loop = Relay(store=self.store, broker=self.broker, health=self.health, pace=pace)
        self.thread = threading.Thread(target=loop.run, args=(self.stop,))

    def sleeps_again(self) -> None:
        sleeps = self.store.sleeps
        eventually(lambda: self.store.sleeps > sleeps)

    @property
    def arrived(self) -> int:
        return len(self.broker.log)


@contextmanager
def running(url: str, pace: Pace = PACE, name: str = "default") -> Iterator[Running]:
    """A relay that sleeps."""
    relay = Running(url, pace, name)
    with patch.object(heartbeat, "PULSE", pace.nap):
        relay.thread.start()
        try:
            eventually(lambda: relay.store.sleeps)
            yield relay
        finally:
            relay.stop.set()
            relay.thread.join(10)
            assert not relay.thread.is_alive()


def slept(times: int) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.sleeps >= times or some_are_late(outcome)


def some_are_late(outcome: Outcome) -> bool:
    return outcome.late > 0


@pytest.mark.timeout(300 + WRITES / 5)
def test_no_sparse_write_is_overslept(migrated_database_url: str) -> None:
    outcome = write_sparsely(migrated_database_url, WRITES, enough=some_are_late)
    assert (outcome.writes, outcome.late) == (WRITES, 0)
    assert outcome.sleeps > 50


def test_no_sparse_write_is_overslept_by_publishers_that_sleep_side_by_side(
    migrated_database_url: str,
) -> None:
    outcome = write_sparsely(
        migrated_database_url, 1_500, names=("one", "two", "three"), enough=slept(300)
    )
    assert outcome.late == 0
    assert outcome.sleeps > 100


def test_one_that_stops_leaves_no_other_asleep(migrated_database_url: str) -> None:
    with (
        running(migrated_database_url) as first,
        running(migrated_database_url, name="second") as second,
    ):
        sleeps = second.store.sleeps
        first.stop.set()
        eventually(lambda: second.store.sleeps > sleeps)
        write(migrated_database_url, b"a")
        eventually(lambda: second.arrived == 1)


def test_a_frozen_publisher_does_not_make_writers_notify_for_ever(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.adapters.heartbeat.PULSE", 3_600.0)
    with closing(PostgresStore(migrated_database_url)) as frozen:
        frozen.open()
        assert frozen._live.execute("SHOW idle_session_timeout").fetchone() == ("1min",)
        assert frozen.doze()
        frozen._live.execute("SET idle_session_timeout = 50")
        with closing(PostgresStore(migrated_database_url, name="other")) as other:
            other.open()
            eventually(lambda: holds(other))


def holds(store: PostgresStore) -> bool:
    return store.doze() and store._bell is not None and store._bell._holds


def test_without_a_second_read_sparse_writes_are_overslept(migrated_database_url: str) -> None:
    outcome = write_sparsely(
        migrated_database_url,
        1_500,
        sleeper=WithoutSecondRead,
        late=SOON,
        enough=some_are_late,
    )
    assert outcome.late


def test_with_a_lock_of_the_session_sparse_writes_are_overslept(migrated_database_url: str) -> None:
    execute(migrated_database_url, SESSION_LEVEL)
    outcome = write_sparsely(migrated_database_url, 1_500, late=SOON, enough=some_are_late)
    assert outcome.late


class Listener:
    """A session beside the publishers that hears what they hear."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("LISTEN outbox_publisher")

    def heard(self, pids: set[int]) -> int:
        """How many notifications of these sessions came since this was asked last."""
        # What was sent before this one of our own has come by then.
        self._connection.execute("NOTIFY outbox_publisher")
        own = self._connection.info.backend_pid
        count = 0
        for notify in self._connection.notifies(timeout=10):
            if notify.pid == own:
                break
            count += notify.pid in pids
        return count

    def close(self) -> None:
        self._connection.close()


def test_a_transaction_notifies_only_while_somebody_sleeps(migrated_database_url: str) -> None:
    url = migrated_database_url
    with (
        closing(PostgresStore(url)) as store,
        closing(Listener(url)) as listener,
        psycopg.connect(url) as writer,
    ):
        pids = {writer.info.backend_pid}

        def commit_some() -> None:
            for _ in range(20):
                writer.execute(INSERT, ("t", b"k", b"k", b"{}"))
                writer.execute(INSERT, ("t", b"k", b"k", b"{}"))
                writer.commit()

        store.open()
        commit_some()
        assert listener.heard(pids) == 0
        assert store.doze()
        commit_some()
        assert listener.heard(pids) == 20
        store.rouse()
        commit_some()
        assert listener.heard(pids) == 0


def test_writers_in_a_row_do_not_notify_a_publisher_that_they_keep_busy(
    migrated_database_url: str,
) -> None:
    with (
        running(migrated_database_url, Pace()) as relay,
        closing(Listener(migrated_database_url)) as listener,
        psycopg.connect(migrated_database_url) as writer,
    ):
        for _ in range(500):
            writer.execute(INSERT, ("t", b"k", b"k", b"{}"))
            writer.commit()
        assert 0 < listener.heard({writer.info.backend_pid}) < 50
        eventually(lambda: relay.arrived == 500)


def test_a_stop_ends_a_sleep(migrated_database_url: str) -> None:
    with running(migrated_database_url) as relay:
        relay.stop.set()
        relay.thread.join(3)
        assert not relay.thread.is_alive()
    with (
        closing(Listener(migrated_database_url)) as listener,
        psycopg.connect(migrated_database_url) as writer,
    ):
        writer.execute(INSERT, ("t", b"k", b"k", b"{}"))
        writer.commit()
        assert listener.heard({writer.info.backend_pid}) == 0


def test_a_connection_that_is_killed_in_a_sleep_is_an_outage_that_is_waited_for(
    migrated_database_url: str,
) -> None:
    with running(migrated_database_url) as relay:
        for number in range(1, 3):
            waits, sleeps = relay.health.waits, relay.store.sleeps
            pid = relay.store._live.info.backend_pid
            execute(migrated_database_url, f"SELECT pg_terminate_backend({pid})")
            eventually(lambda waits=waits: relay.health.waits > waits)  # type: ignore[misc]
            eventually(lambda sleeps=sleeps: relay.store.sleeps > sleeps)  # type: ignore[misc]
            write(migrated_database_url, b"a")
            eventually(lambda number=number: relay.arrived == number)  # type: ignore[misc]


def test_a_publisher_without_work_writes_nothing(migrated_database_url: str) -> None:
    position = "SELECT xmin::text, ctid::text FROM outbox_position"
    with (
        running(migrated_database_url, replace(PACE, nap=0.005)) as relay,
        psycopg.connect(migrated_database_url, autocommit=True) as connection,
    ):
        write(migrated_database_url, b"a")
        eventually(lambda: relay.arrived == 1)
        relay.sleeps_again()
        before = connection.execute(position).fetchone()
        for _ in range(20):
            connection.execute("SELECT pg_current_xact_id()")
            relay.sleeps_again()
        assert connection.execute(position).fetchone() == before


def test_what_did_not_ring_is_found_at_the_end_of_a_nap(migrated_database_url: str) -> None:
    with running(migrated_database_url, replace(PACE, nap=0.05)) as relay:
        execute(migrated_database_url, "ALTER TABLE outbox_event DISABLE TRIGGER outbox_wake_up")
        write(migrated_database_url, b"a")
        eventually(lambda: relay.arrived == 1)


def test_a_publisher_that_polls_keeps_no_writer_from_preparing_its_transaction(
    migrated_database_url: str,
) -> None:
    with closing(PostgresStore(migrated_database_url, rings=False)) as store:
        store.open()
        assert not store.doze()
        assert store.bell is None
        writer = Writer(migrated_database_url)
        row_id = writer.record()
        writer.prepare("recorded")
        execute(migrated_database_url, "COMMIT PREPARED 'recorded'")
        small = store.small_window(NOTHING, Limits())
        assert [row.id for row in small.rows or ()] == [row_id]


def test_a_prepared_transaction_that_recorded_keeps_publishers_awake(
    migrated_database_url: str,
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        writer = Writer(migrated_database_url)
        writer.record()
        writer.prepare("awake")
        try:
            assert not store.doze()
        finally:
            execute(migrated_database_url, "COMMIT PREPARED 'awake'")
        assert store.doze()


def test_a_transaction_that_is_to_be_prepared_is_refused_while_somebody_sleeps(
    migrated_database_url: str,
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        assert store.doze()
        writer = Writer(migrated_database_url)
        writer.record()
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="NOTIFY"):
            writer.prepare("refused")
        writer.rollback()


class Session:
    """A connection as `shares_sessions` sees it: the session it announces, and those it gets."""

    def __init__(self, announced: int, *sessions: int) -> None:
        self.info = self
        self.backend_pid = announced
        self._sessions = list(sessions)

    def execute(self, query: bytes) -> list[tuple[int]]:
        return [(self._sessions.pop(0),)]

    def transaction(self) -> Any:
        return closing(self)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("mine", "others", "shared"),
    [
        (Session(1, 1), None, False),
        (Session(99, 1, 1), Session(98, 2), False),
        (Session(99, 1, 2), Session(98, 1), True),
        (Session(99, 1, 3), Session(98, 2), True),
    ],
    ids=["postgresql", "lends for a session", "lends the last one", "lends them in turn"],
)
def test_a_pooler_that_lends_sessions_for_transactions_is_recognised(
    monkeypatch: pytest.MonkeyPatch, mine: Any, others: Any, shared: bool
) -> None:
    monkeypatch.setattr(pooler, "connect", lambda *_, **__: others)
    assert pooler.shares_sessions(mine, "") is shared


def test_behind_a_pooler_a_publisher_polls_and_leaves_no_lock(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.adapters.postgres.shares_sessions", lambda *_: True)
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        assert not store.doze()
        assert not store.rung()
        store.rouse()
        assert store.bell is None
