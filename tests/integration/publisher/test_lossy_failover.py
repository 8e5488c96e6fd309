"""A fail-over to a copy that lacks the last transactions: ids and transaction ids come again."""

import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from local.postgres import Postgres
from publisher.adapters.postgres import PostgresStore
from publisher.errors import TimelineChanged
from publisher.ports import Limits
from publisher.window import Window
from tests.conftest import migrate
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
