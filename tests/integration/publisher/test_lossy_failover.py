"""A fail-over to a copy that lacks the last transactions: ids and transaction ids come again."""

import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.postgres import Postgres
from publisher.adapters.connection import connect
from publisher.adapters.memory_broker import MemoryTransactions
from publisher.adapters.postgres import PostgresStore
from publisher.adapters.tables import read_identity, rebase_position
from publisher.errors import PositionAhead, TimelineChanged
from publisher.health import Health
from publisher.ports import Limits
from publisher.relay import Relay
from publisher.window import Window
from tests.conftest import migrate
from tests.waiting import eventually
from tests.writers import execute, write


def copied(server: Postgres, folder: Path) -> Path:
    """The data as they are now."""
    assert server.data is not None
    server.stop()
    copy = folder / "copy"
    shutil.copytree(server.data, copy)
    server.start()
    return copy


def fail_over(server: Postgres, copy: Path) -> None:
    """Go on with the copy, promoted."""
    assert server.data is not None
    server.stop()
    shutil.rmtree(server.data)
    shutil.move(copy, server.data)
    server.become_standby()
    execute(server.url, "SELECT pg_promote()")


def put_back(server: Postgres, copy: Path) -> None:
    """Go on with the copy, as with a snapshot of the volume: nothing tells it from the data."""
    assert server.data is not None
    server.stop()
    shutil.rmtree(server.data)
    shutil.move(copy, server.data)
    server.start()


def test_exactly_once_a_database_that_was_put_back_behind_the_journal_stops_the_publisher(
    private_postgres: Postgres, tmp_path: Path
) -> None:
    server = private_postgres
    url = server.create_database("shop")
    migrate(url)
    broker = MemoryTransactions()

    def publish(expected: int) -> None:
        with closing(PostgresStore(url, keeper="kafka")) as store:
            relay = Relay(store=store, broker=broker, health=Health())
            eventually(lambda: (relay.step(), len(broker.log))[1] == expected)
            store.save(relay._position)
            broker.close()

    write(url, b"a")
    publish(1)
    copy = copied(server, tmp_path)
    for _ in range(50):
        write(url, b"lost")
    publish(51)
    put_back(server, copy)
    (kept,) = write(url, b"b")
    with pytest.raises(PositionAhead):
        publish(52)
    for _ in range(60):  # Now the numbers in the journal come again.
        write(url, b"later")
    with pytest.raises(TimelineChanged, match=r"a copy that was put back.* rebase --since"):
        publish(52)
    with closing(connect(url, name="test")) as connection:
        since = datetime.now(UTC)
        rebase_position(connection, "default", read_identity(connection), since)
    publish(51 + 61)
    assert [record.key for record in broker.log[51:]] == [b"b"] + [b"later"] * 60
    assert broker.log[51].id == kept


@pytest.mark.parametrize("margin", [timedelta(minutes=1), None])
def test_what_is_recorded_under_ids_used_before_is_published_or_the_publisher_stops(
    private_postgres: Postgres, tmp_path: Path, margin: timedelta | None
) -> None:
    server = private_postgres
    url = server.create_database("shop")
    migrate(url)
    with closing(PostgresStore(url, margin=margin)) as store:
        store.save(Window(store, store.open().position, limits=Limits()).read().end)
        store.close()
        copy = copied(server, tmp_path)
        store.open()
        store.close()  # so that the epochs of both histories go on alike
        window = Window(store, store.open().position, limits=Limits())
        ids = write(url, b"a", b"b")
        assert [row.id for row in window.read().rows] == ids
        store.close()
        fail_over(server, copy)
        assert write(url, b"c") == ids[:1]
        if margin is None:
            with pytest.raises(TimelineChanged, match="timeline 2"):
                store.open()
            return
        tenure = store.open()
        assert tenure.inherited
        again = Window(store, tenure.position, limits=Limits()).read()
        assert [(row.id, row.key) for row in again.rows] == [(ids[0], b"c")]
