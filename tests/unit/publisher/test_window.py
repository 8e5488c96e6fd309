"""The window over random histories: nothing lost, nothing twice, nothing inverted."""

from collections.abc import Callable, Iterable
from random import Random

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from publisher.adapters.memory import MemoryStore
from publisher.ports import Chunk, Limits, Row
from publisher.position import Position, Snapshot
from publisher.window import Window
from tests.unit.publisher.histories import STEPS, Read, play


def window_reader(limits: Limits, foresight: Iterable[bool] = ()) -> Callable[[MemoryStore], Read]:
    """Reads on; before each page, `foresight` tells whether its range is asked for early."""

    def make(store: MemoryStore) -> Read:
        window, early = Window(store, Position(), limits=limits), iter(foresight)

        def read() -> Iterable[Row]:
            rows = window.read().rows
            if next(early, False):
                window.foresee()
            return rows

        return read

    return make


def restarting_reader(limits: Limits, keep: int) -> Callable[[MemoryStore], Read]:
    """A reader that dies after each page, of which `keep` rows were acknowledged."""

    def make(store: MemoryStore) -> Read:
        at = Position()

        def read() -> Iterable[Row]:
            nonlocal at
            page = Window(store, at, limits=limits).read()
            done = min(max(keep, 1), len(page.rows))
            at = page.after(done)
            return page.rows[:done]

        return read

    return make


LIMITS = st.builds(Limits, rows=st.integers(1, 5), bytes=st.sampled_from([1, 4, 1_000]))


@given(STEPS, LIMITS, st.lists(st.booleans()))
@settings(max_examples=400)
def test_every_committed_row_comes_once_and_a_key_in_order(
    steps: list[tuple[object, ...]], limits: Limits, foresight: list[bool]
) -> None:
    assert play(steps, window_reader(limits, foresight)) == []


@given(STEPS, LIMITS, st.integers(1, 4))
@settings(max_examples=400)
def test_a_restart_after_any_acknowledged_prefix_loses_repeats_and_inverts_nothing(
    steps: list[tuple[object, ...]], limits: Limits, keep: int
) -> None:
    assert play(steps, restarting_reader(limits, keep)) == []


def last_id(store: MemoryStore) -> Read:
    """Mutant: `id > last ORDER BY id`."""
    last = 0

    def read() -> Iterable[Row]:
        nonlocal last
        rows = [row for _, row in store.database.visible() if row.id > last]
        last = max((row.id for row in rows), default=last)
        return rows

    return read


def below_xmin(store: MemoryStore) -> Read:
    """Mutant: `(xid, id) > last`, below the oldest transaction in progress."""
    last = (0, 0)

    def read() -> Iterable[Row]:
        nonlocal last
        horizon = store.database.snapshot().xmin
        rows = sorted((xid, row.id, row) for xid, row in store.database.visible())
        rows = [entry for entry in rows if last < entry[:2] and entry[0] < horizon]
        last = rows[-1][:2] if rows else last
        return [row for _, _, row in rows]

    return read


def first_of_too_many(store: MemoryStore) -> Read:
    """Mutant: where more than n rows are new, publish the first n by transaction."""
    at, limit = Position(), 2

    def read() -> Iterable[Row]:
        nonlocal at
        now = store.database.snapshot()
        new = sorted(
            (xid, row.id, row)
            for xid, row in store.database.visible()
            if not at.covers(xid, row.id)
        )
        rows = sorted((row for _, _, row in new[:limit]), key=lambda row: row.id)
        at = Position(at.prev, now, rows[-1].id) if len(new) > limit else Position(now)
        return rows

    return read


@pytest.mark.parametrize("mutant", [last_id, below_xmin, first_of_too_many])
def test_histories_find_the_fault_of_a_naive_reader(
    mutant: Callable[[MemoryStore], Read],
) -> None:
    search = settings(max_examples=20_000, database=None)
    try:
        find(STEPS, lambda steps: bool(play(steps, mutant)), settings=search, random=Random(1))
    except NoSuchExample:
        pytest.fail(f"no history was found that breaks {mutant.__name__}")


def test_transactions_that_end_in_another_order_keep_the_order_of_a_key() -> None:
    store = MemoryStore()
    store.open()
    second, first = store.database.begin(), store.database.begin()
    second.touch()
    first.record(key=b"a")
    first.commit()
    second.record(key=b"a")
    second.commit()
    rows = Window(store, Position(), limits=Limits()).read().rows
    assert [row.id for row in rows] == [1, 2]


class Counting(MemoryStore):
    """Counts the ranges that are waited for."""

    spans = 0

    def span(self, pair: Position, after: int, upto: int, limits: Limits) -> Chunk:
        self.spans += 1
        return super().span(pair, after, upto, limits)


def test_what_is_foreseen_is_read_once() -> None:
    store = Counting()
    store.open()
    writer = store.database.begin()
    ids = [writer.record() for _ in range(7)]
    writer.commit()
    window = Window(store, Position(), limits=Limits(rows=2))
    found = []
    while rows := window.read().rows:
        found += [row.id for row in rows]
        window.foresee()
        window.foresee()
    assert found == ids
    assert store.spans == 4


def test_a_page_partly_acknowledged_leaves_a_position_inside_its_window() -> None:
    store = MemoryStore()
    store.open()
    writer = store.database.begin()
    for _ in range(3):
        writer.record()
    writer.commit()
    page = Window(store, Position(), limits=Limits()).read()
    assert page.after(0) == Position()
    assert page.after(2) == Position(page.start.prev, page.end.prev, last_id=2)
    assert page.after(3) == Position(Snapshot(101, 101))
