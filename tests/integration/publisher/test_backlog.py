"""The lag that operators see, against the rows that a position does not cover."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from publisher.adapters import tables
from publisher.adapters.connection import Connection
from publisher.adapters.postgres import PostgresStore
from publisher.adapters.tables import backlog_params, read_backlog
from publisher.ports import Limits
from publisher.position import NOTHING, Position, Snapshot
from publisher.window import Page, Window
from tests.integration.publisher.plans import retained, work
from tests.writers import Writer, write


def uncovered(connection: Connection, position: Position) -> int:
    rows = connection.execute("SELECT xid::text::bigint, id FROM outbox_event").fetchall()
    return sum(not position.covers(xid, row_id) for xid, row_id in rows)


@pytest.fixture
def writers(migrated_database_url: str) -> Iterator[list[Writer]]:
    """Three transactions that have recorded something; the last one stays open."""
    writers = [Writer(migrated_database_url) for _ in range(3)]
    for writer in writers:
        writer.record()
    yield writers
    writers[-1].rollback()


def frozen_window(url: str, prev: Snapshot, store: PostgresStore, late: Writer) -> Iterator[Page]:
    """The pages of a window with stragglers and transactions of its own that end in it."""
    touched = Writer(url)
    touched.touch()
    write(url, b"d", b"e", b"f")
    touched.record()
    late.commit()
    touched.commit()
    window = Window(store, Position(prev), limits=Limits(rows=2))
    while (page := window.read()).rows:
        yield page


def positions(url: str, writers: list[Writer]) -> Iterator[Position]:
    """Every position from before a window with stragglers until after the one behind it."""
    with closing(PostgresStore(url)) as store:
        store.open()
        prev = store.small_window(NOTHING, Limits()).now
        open_in_now = Writer(url)
        open_in_now.record()
        for number, page in enumerate(frozen_window(url, prev, store, writers[0])):
            if number == 0:
                writers[1].record()
                writers[1].commit()
                open_in_now.commit()
                write(url, b"g", b"h", b"i")
                writers[2].record()
            yield from map(page.after, range(len(page.rows) + 1))


@pytest.mark.parametrize("cap", [1, 3, 1_000])
def test_the_backlog_is_what_the_position_does_not_cover(
    migrated_database_url: str,
    connection: Connection,
    writers: list[Writer],
    monkeypatch: pytest.MonkeyPatch,
    cap: int,
) -> None:
    monkeypatch.setattr(tables, "CAP", cap)
    seen = list[tuple[Position, int, int]]()
    for position in positions(migrated_database_url, writers):
        expected = min(cap, uncovered(connection, position))
        backlog = read_backlog(connection, position)
        assert (backlog.seconds > 0) == (expected > 0)
        seen.append((position, backlog.rows, expected))
    assert [rows for _, rows, _ in seen] == [expected for *_, expected in seen]
    assert len({position.last_id for position, *_ in seen}) >= 8


@pytest.mark.parametrize("last_id", [0, 2_000, 2_001, 2_300, 2_599])
def test_the_backlog_inside_a_frozen_window_is_found_without_walking_what_is_published(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, last_id: int
) -> None:
    monkeypatch.setattr(tables, "CAP", 50)
    for rows in [2_000] + [100] * 6:
        retained(connection, rows)
    ((first,),) = connection.execute("SELECT xid::text::bigint FROM outbox_event WHERE id = 2001")
    position = Position(Snapshot(first, first), Snapshot(first + 6, first + 6), last_id)
    assert read_backlog(connection, position).rows == min(50, 2_600 - max(last_id, 2_000))
    assert work(connection, "backlog", **backlog_params(position)) <= 3 * 50
