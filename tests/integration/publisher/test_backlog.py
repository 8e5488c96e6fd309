"""The lag that operators see, against the rows that a position does not cover."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from publisher.adapters import tables
from publisher.adapters.connection import Connection
from publisher.adapters.postgres import PostgresStore
from publisher.adapters.tables import read_backlog
from publisher.ports import Limits
from publisher.position import NOTHING, Position, Snapshot
from publisher.window import Window
from tests.integration.publisher.plans import retained, work
from tests.writers import Writer, write

LIMITS = Limits(rows=2)


def uncovered(connection: Connection, position: Position) -> int:
    rows = connection.execute("SELECT xid::text::bigint, id FROM outbox_event").fetchall()
    return sum(not position.covers(xid, row_id) for xid, row_id in rows)


def positions(url: str, late: list[Writer], open_at_the_end: list[Writer]) -> Iterator[Position]:
    """Every position from before a window with stragglers until after the one behind it."""
    with closing(PostgresStore(url)) as store:
        store.open()
        prev = store.small_window(NOTHING, Limits()).now
        write(url, b"a", b"b", b"c")
        for writer in late:
            writer.record()
        second, third = Writer(url), Writer(url)
        second.touch()
        third.record()
        write(url, b"d", b"e", b"f")
        second.record()
        late[0].commit()
        second.commit()
        window = Window(store, Position(prev), limits=LIMITS)
        page = window.read()
        late[1].commit()
        third.commit()
        write(url, b"g", b"h", b"i")
        open_at_the_end[0].record()
        while page.rows:
            yield from (page.after(count) for count in range(len(page.rows) + 1))
            page = window.read()


@pytest.mark.parametrize("cap", [1, 3, 1_000])
def test_the_backlog_is_what_the_position_does_not_cover(
    migrated_database_url: str,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    cap: int,
) -> None:
    monkeypatch.setattr(tables, "CAP", cap)
    late = [Writer(migrated_database_url) for _ in range(2)]
    for writer in late:
        writer.record()
    staying = Writer(migrated_database_url)
    staying.record()
    seen = list[tuple[Position, int, int]]()
    for position in positions(migrated_database_url, late, [staying]):
        expected = min(cap, uncovered(connection, position))
        backlog = read_backlog(connection, position)
        assert (backlog.seconds > 0) == (expected > 0)
        seen.append((position, backlog.rows, expected))
    staying.rollback()
    assert [rows for _, rows, _ in seen] == [expected for *_, expected in seen]
    assert len({position.last_id for position, *_ in seen}) > 8


@pytest.mark.parametrize("last_id", [0, 2_000, 2_001, 2_300, 2_599])
def test_the_backlog_inside_a_frozen_window_is_found_without_walking_what_is_published(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, last_id: int
) -> None:
    monkeypatch.setattr(tables, "CAP", 50)
    retained(connection, 2_000)
    for _ in range(6):
        retained(connection, 100)
    ((first,),) = connection.execute("SELECT xid::text::bigint FROM outbox_event WHERE id = 2001")
    position = Position(Snapshot(first, first), Snapshot(first + 6, first + 6), last_id)
    assert read_backlog(connection, position).rows == min(50, 2_600 - max(last_id, 2_000))
    touched = work(
        connection,
        "backlog",
        xmax=str(first),
        prev=str(position.prev),
        ended="{}",
        open="{}",
        last_id=last_id,
        cap=50,
    )
    assert touched <= 3 * 50
