"""What every store promises: `publisher.ports.Store`, asked of each implementation."""

import select
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Protocol

import psycopg
import pytest

from publisher.adapters.memory import MemoryStore
from publisher.adapters.parked_tables import outcome
from publisher.adapters.postgres import PostgresStore
from publisher.errors import Fenced, StoreUnavailable, TimelineChanged
from publisher.ports import Limits, Parked, Request, Store
from publisher.position import NOTHING, Position, Snapshot
from publisher.window import Window
from tests.waiting import eventually
from tests.writers import Writer, execute


class Transaction(Protocol):
    def touch(self) -> int: ...
    def record(self, *, key: bytes = ..., value: bytes | None = ..., topic: str = ...) -> int: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...


class Subject:
    """A store, one of another name beside it, and a way to write into them from outside."""

    def __init__(self, store: Store, other: Store, begin: Callable[[], Transaction]) -> None:
        self.store = store
        self.other = other
        self.begin = begin

    def request(self, *requests: Request) -> None:
        """What operators write."""
        if isinstance(self.store, MemoryStore):
            self.store.database.requests += requests
            return
        with psycopg.connect(self.store._url) as operator:  # type: ignore[attr-defined]
            for request in requests:
                operator.execute(
                    "INSERT INTO outbox_request (publisher, verb, parked_id, row_id)"
                    " VALUES ('default', %s, %s, %s)",
                    (request.verb, request.parked, request.row),
                )

    def outcome(self, request: Request) -> str | None:
        """What operators read."""
        if isinstance(self.store, MemoryStore):
            return self.store.database.outcomes.get(request)
        return outcome(self.store._live, request.id)  # type: ignore[attr-defined]

    def write(self, *values: bytes) -> list[int]:
        writer = self.begin()
        ids = [writer.record(value=value) for value in values]
        writer.commit()
        return ids


@pytest.fixture(params=["memory", "postgres"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "memory":
        memory = MemoryStore()
        yield Subject(memory, MemoryStore(memory.database), memory.database.begin)
        return
    url = request.getfixturevalue("migrated_database_url")
    with closing(PostgresStore(url)) as store, closing(PostgresStore(url, name="other")) as other:
        yield Subject(store, other, lambda: Writer(url))


LIMITS = Limits(rows=3, bytes=1_000)


def drain(store: Store, position: Position, limits: Limits = LIMITS) -> list[int]:
    """Read pages until one is empty; return the ids in the order in which they came."""
    window = Window(store, position, limits=limits)
    ids: list[int] = []
    while page := window.read().rows:
        ids += [row.id for row in page]
    return ids


def test_a_new_position_has_every_retained_row_ahead(subject: Subject) -> None:
    ids = subject.write(b"a", b"b")
    tenure = subject.store.open()
    assert tenure.position == Position(NOTHING)
    small = subject.store.small_window(tenure.position.prev, LIMITS)
    assert [row.id for row in small.rows or ()] == ids


def test_an_empty_window_still_tells_the_snapshot(subject: Subject) -> None:
    subject.store.open()
    small = subject.store.small_window(NOTHING, LIMITS)
    assert small.rows is not None
    assert not small.rows
    assert small.now.xmax >= small.now.xmin > 1


def test_a_row_that_becomes_visible_late_is_in_a_later_window(subject: Subject) -> None:
    subject.store.open()
    late, early = subject.begin(), subject.begin()
    late_id, early_id = late.record(), early.record()
    early.commit()
    first = subject.store.small_window(NOTHING, LIMITS)
    late.commit()
    second = subject.store.small_window(first.now, LIMITS)
    assert [row.id for row in first.rows or ()] == [early_id]
    assert [row.id for row in second.rows or ()] == [late_id]


def test_a_rolled_back_row_never_shows(subject: Subject) -> None:
    subject.store.open()
    writer = subject.begin()
    writer.record()
    writer.rollback()
    assert drain(subject.store, Position()) == []


def test_a_window_over_the_row_limit_is_not_cut_but_withheld(subject: Subject) -> None:
    subject.write(b"a", b"b", b"c", b"d")
    subject.store.open()
    assert subject.store.small_window(NOTHING, LIMITS).rows is None


def test_a_window_over_the_byte_limit_is_withheld(subject: Subject) -> None:
    subject.write(b"x" * 600, b"y" * 600)
    subject.store.open()
    assert subject.store.small_window(NOTHING, LIMITS).rows is None


def test_a_window_that_fills_its_limits_fits(subject: Subject) -> None:
    ids = subject.write(b"x" * 300, b"y" * 300, b"z" * 400)
    subject.store.open()
    assert [row.id for row in subject.store.small_window(NOTHING, LIMITS).rows or ()] == ids


def test_a_frozen_window_comes_in_id_order_once(subject: Subject) -> None:
    late = subject.begin()
    late_ids = [late.record() for _ in range(4)]
    subject.store.open()
    before = subject.write(b"a")
    prev = subject.store.small_window(NOTHING, LIMITS).now
    fresh = subject.write(*[b"f"] * 5)
    more_late = [late.record() for _ in range(2)]
    late.commit()
    ids = drain(subject.store, Position(prev))
    assert ids == late_ids + fresh + more_late
    assert before[0] not in ids


def test_a_frozen_window_hides_what_came_after_it(subject: Subject) -> None:
    ids = subject.write(*[b"a"] * 5)
    subject.store.open()
    window = Window(subject.store, Position(), limits=LIMITS)
    first = window.read()
    later = subject.write(b"b")
    second, third = window.read(), window.read()
    assert [row.id for row in (*first.rows, *second.rows)] == ids
    assert [row.id for row in third.rows] == later


@pytest.mark.parametrize("read_after", range(5))
def test_a_key_is_in_order_though_its_transactions_end_in_another_order(
    subject: Subject, read_after: int
) -> None:
    subject.store.open()
    window = Window(subject.store, Position(), limits=LIMITS)
    seen, ids = list[int](), list[int]()
    older, younger = subject.begin(), subject.begin()
    steps: list[Callable[[], object]] = [
        older.touch,
        lambda: ids.append(younger.record(key=b"a")),
        younger.commit,
        lambda: ids.append(older.record(key=b"a")),
        older.commit,
    ]
    for number, step in enumerate(steps):
        step()
        if number == read_after:
            seen += [row.id for row in window.read().rows]
    assert seen + [row.id for row in window.read().rows] == ids == sorted(ids)


def test_what_is_foreseen_comes_however_much_is_asked_meanwhile(subject: Subject) -> None:
    ids = subject.write(*[b"a"] * 9)
    subject.store.open()
    window = Window(subject.store, Position(), limits=LIMITS)
    seen = [row.id for row in window.read().rows]
    for _ in range(2):
        window.foresee()
        later = subject.write(b"later")
        assert subject.store.small_window(NOTHING, Limits()).rows
        subject.store.save(Position())
        seen += [row.id for row in window.read().rows]
    assert seen == ids
    assert later[0] not in seen


def test_what_was_foreseen_on_a_connection_that_is_gone_is_asked_for_again(
    subject: Subject,
) -> None:
    ids = subject.write(*[b"a"] * 5)
    subject.store.open()
    window = Window(subject.store, Position(), limits=LIMITS)
    seen = [row.id for row in window.read().rows]
    window.foresee()
    subject.store.close()
    subject.store.open()
    assert seen + [row.id for row in window.read().rows] == ids


def test_reading_goes_on_inside_a_frozen_window(subject: Subject) -> None:
    ids = subject.write(*[b"a"] * 7)
    subject.store.open()
    page = Window(subject.store, Position(), limits=LIMITS).read()
    subject.write(b"later")
    assert drain(subject.store, page.after(2))[:5] == ids[2:]


def test_a_page_holds_at_least_one_row_however_large(subject: Subject) -> None:
    ids = subject.write(b"x" * 5_000, b"y" * 5_000)
    subject.store.open()
    window = Window(subject.store, Position(), limits=LIMITS)
    assert [[row.id for row in window.read().rows] for _ in ids] == [[i] for i in ids]


def test_bytes_end_a_page_before_rows_do(subject: Subject) -> None:
    ids = subject.write(*[b"x" * 600] * 4)
    subject.store.open()
    window = Window(subject.store, Position(), limits=Limits(rows=100, bytes=1_000))
    pages = [[row.id for row in window.read().rows] for _ in range(2)]
    assert pages == [ids[:2], ids[2:]]


def test_a_tombstone_has_no_value(subject: Subject) -> None:
    writer = subject.begin()
    writer.record(value=None)
    writer.commit()
    subject.store.open()
    (row,) = subject.store.small_window(NOTHING, LIMITS).rows or ()
    assert row.value is None
    assert (row.topic, row.key, row.subject, row.type, row.version) == (
        "t",
        b"k",
        b"k",
        "test.event",
        1,
    )
    assert row.time.endswith(b"Z")


def test_the_backlog_counts_what_the_position_does_not_cover(subject: Subject) -> None:
    subject.store.open()
    assert subject.store.backlog(Position()).rows == 0
    ids = subject.write(b"a", b"b", b"c", b"d")
    page = Window(subject.store, Position(), limits=LIMITS).read()
    assert [row.id for row in page.rows] == ids[:3]
    assert subject.store.backlog(Position()).rows == 4
    assert subject.store.backlog(page.after(2)).rows == 2


def test_a_saved_position_is_where_the_next_one_starts(subject: Subject) -> None:
    subject.write(*[b"a"] * 5)
    subject.store.open()
    position = Window(subject.store, Position(), limits=LIMITS).read().after(2)
    subject.store.save(position)
    subject.store.close()
    assert subject.store.open().position == position


def test_a_position_is_inherited_only_where_somebody_else_held_it(subject: Subject) -> None:
    subject.store.open()
    subject.store.close()
    assert not subject.store.open().inherited


def test_who_holds_the_position_is_confirmed(subject: Subject) -> None:
    at = subject.store.open().position.prev
    now = subject.store.small_window(at, Limits()).now
    assert subject.store.confirm() >= now.xmax


def test_closing_twice_is_no_error_and_a_closed_store_says_so(subject: Subject) -> None:
    subject.store.open()
    subject.store.close()
    subject.store.close()
    assert not subject.store.is_open
    with pytest.raises(StoreUnavailable):
        subject.store.small_window(NOTHING, LIMITS)


def test_a_position_that_was_taken_over_cannot_be_saved(subject: Subject) -> None:
    subject.store.open()
    _bump_epoch(subject.store)
    with pytest.raises(Fenced):
        subject.store.save(Position())


def rings(store: Store, seconds: float = 10.0) -> bool:
    """Whether it rings by then."""
    if store.rung():
        return True
    assert store.bell is not None
    waiting = select.poll()
    waiting.register(store.bell, select.POLLIN)
    return bool(waiting.poll(seconds * 1000)) and store.rung()


def test_a_writer_rings_when_it_commits_and_what_it_wrote_shows(subject: Subject) -> None:
    subject.store.open()
    assert subject.store.doze()
    now = subject.store.small_window(NOTHING, LIMITS).now
    writer = subject.begin()
    row_id = writer.record()
    assert not rings(subject.store, 0.0)
    writer.commit()
    assert rings(subject.store)
    assert [row.id for row in subject.store.small_window(now, LIMITS).rows or ()] == [row_id]


def test_a_ring_is_told_once(subject: Subject) -> None:
    subject.store.open()
    assert subject.store.doze()
    subject.write(b"a")
    assert rings(subject.store)
    assert not rings(subject.store, 0.1)


def test_nobody_dozes_while_a_writer_is_open_that_would_not_ring(subject: Subject) -> None:
    subject.store.open()
    writer = subject.begin()
    writer.record()
    assert not subject.store.doze()
    assert not subject.store.doze()
    writer.commit()
    assert subject.store.doze()
    assert not rings(subject.store, 0.1)
    small = subject.store.small_window(NOTHING, LIMITS)
    assert len(small.rows or ()) == 1


def test_a_writer_elsewhere_keeps_nobody_awake(subject: Subject) -> None:
    subject.store.open()
    elsewhere = subject.begin()
    elsewhere.touch()
    assert subject.store.doze()
    elsewhere.commit()
    assert not rings(subject.store, 0.1)


def test_a_writer_that_rolls_back_rings_nobody(subject: Subject) -> None:
    subject.store.open()
    assert subject.store.doze()
    writer = subject.begin()
    writer.record()
    writer.rollback()
    assert not rings(subject.store, 0.1)


def test_a_writer_that_began_while_somebody_dozed_rings_though_nobody_does_any_more(
    subject: Subject,
) -> None:
    subject.store.open()
    assert subject.store.doze()
    writer = subject.begin()
    writer.record()
    subject.store.rouse()
    assert subject.store.doze()
    writer.commit()
    assert rings(subject.store)


def test_nobody_rings_for_a_store_that_is_awake(subject: Subject) -> None:
    subject.store.open()
    subject.write(b"a")
    assert subject.store.doze()
    subject.store.rouse()
    subject.store.rouse()
    subject.write(b"b")
    assert not rings(subject.store, 0.1)


def test_a_writer_wakes_all_that_sleep_under_different_names(subject: Subject) -> None:
    stores = [subject.store, subject.other]
    for store in stores:
        store.open()
    assert [store.doze() for store in stores] == [True, True]
    subject.write(b"a")
    assert [rings(store) for store in stores] == [True, True]


def test_one_sleeps_on_though_the_one_beside_it_wakes(subject: Subject) -> None:
    subject.store.open()
    subject.other.open()
    assert subject.store.doze()
    assert subject.other.doze()
    subject.store.rouse()
    rings(subject.other, 1.0)
    assert subject.other.doze()
    subject.write(b"a")
    assert rings(subject.other)


def test_one_sleeps_on_though_the_one_beside_it_ends_without_a_word(subject: Subject) -> None:
    subject.store.open()
    subject.other.open()
    assert subject.store.doze()
    assert subject.other.doze()
    subject.store.close()

    def rung_by_a_writer() -> bool:
        assert subject.other.doze()
        subject.write(b"a")
        return rings(subject.other, 0.1)

    eventually(rung_by_a_writer)


def test_a_store_that_is_closed_does_not_doze(subject: Subject) -> None:
    subject.store.open()
    assert subject.store.doze()
    subject.store.close()
    with pytest.raises(StoreUnavailable):
        subject.store.doze()
    subject.store.open()
    assert subject.store.doze()


def _bump_epoch(store: Store) -> None:
    if isinstance(store, MemoryStore):
        store.database.epoch += 1
        return
    assert isinstance(store, PostgresStore)
    store._live.execute("UPDATE outbox_position SET epoch = epoch + 1")


def aside(position: Position, key: bytes | None = b"k", row: int = 1) -> Parked:
    return Parked(0, "t", key, row, "it is refused", position)


def reading(store: Store, parked: Parked) -> list[int]:
    """Every row that a retry would read, two at a time."""
    after, last = store.parked_within(parked)
    ids: list[int] = []
    while after < last:
        chunk = store.parked_rows(parked, after, last, Limits(rows=2, bytes=1_000))
        ids += [row.id for row in chunk.rows]
        after = last if chunk.exhausted else chunk.rows[-1].id
    return ids


def record(subject: Subject, *rows: tuple[str, bytes]) -> list[int]:
    writer = subject.begin()
    ids = [writer.record(topic=topic, key=key) for topic, key in rows]
    writer.commit()
    return ids


def test_what_is_set_aside_is_kept_until_it_is_released(subject: Subject) -> None:
    at = subject.store.open().position
    frozen = Position(Snapshot(5, 9, (6,)), Snapshot(9, 12), 40)
    key = subject.store.park(aside(at, b"\x00\xff"))
    topic = subject.store.park(aside(frozen, None, row=41))
    assert subject.store.parked() == [key, topic]
    later = replace(topic, until=frozen, cursor=7, row=43, reason="again", retries=2, position=at)
    subject.store.keep(later)
    assert subject.store.parked() == [key, later]
    subject.store.release(key)
    assert subject.store.parked() == [later]


def test_another_name_has_nothing_of_what_is_set_aside(migrated_database_url: str) -> None:
    url = migrated_database_url
    with closing(PostgresStore(url)) as store, closing(PostgresStore(url, name="other")) as other:
        store.park(aside(store.open().position))
        other.open()
        assert other.parked() == []


def test_a_retry_reads_what_the_relay_passed_over_of_a_key_or_a_topic(subject: Subject) -> None:
    store = subject.store
    store.open()
    record(subject, ("t", b"k"), ("t", b"j"))
    start = Position(store.small_window(NOTHING, LIMITS).now)
    rows = [("t", b"k"), ("t", b"j"), ("u", b"k"), ("t", b"k"), ("t", b"j"), ("t", b"k")]
    ids = record(subject, *rows)
    end = Position(store.small_window(start.prev, LIMITS).now)
    record(subject, ("t", b"k"))
    of = dict(zip(ids, rows, strict=True))
    keys = replace(aside(start), until=end)
    assert reading(store, keys) == [n for n in ids if of[n] == ("t", b"k")]
    topic = replace(aside(start, key=None), until=end)
    assert reading(store, topic) == [n for n in ids if of[n][0] == "t"]


def test_positions_inside_windows_bound_what_a_retry_reads(subject: Subject) -> None:
    store = subject.store
    store.open()
    late = subject.begin()
    first = late.record(key=b"k")
    ids = record(subject, *[("t", b"k")] * 6)
    before = store.small_window(NOTHING, LIMITS).now
    late.commit()
    now = store.small_window(NOTHING, LIMITS).now
    from_third = Position(NOTHING, before, ids[1])
    to_fifth = Position(NOTHING, before, ids[4])
    assert reading(store, replace(aside(from_third), until=to_fifth)) == ids[2:5]
    assert reading(store, replace(aside(from_third), until=Position(now))) == [first, *ids[2:]]


def test_a_request_is_asked_for_until_it_is_answered(subject: Subject) -> None:
    store = subject.store
    store.open()
    assert store.requests() == []
    subject.request(Request(1, "retry", 7, 70), Request(2, "skip", 8, 80))
    first, second = store.requests()
    assert (first.verb, first.parked, first.row) == ("retry", 7, 70)
    assert (second.verb, second.parked, second.row) == ("skip", 8, 80)
    store.answer(first, "done")
    assert store.requests() == [second]


def test_what_is_released_and_the_request_for_that_are_one(subject: Subject) -> None:
    store = subject.store
    at = store.open().position
    parked, other = store.park(aside(at, b"k")), store.park(aside(at, b"j"))
    subject.request(Request(1, "retry", parked.id, 1), Request(2, "retry", other.id, 1))
    first, second = store.requests()
    store.release(parked, first, "published 2 rows")
    assert store.parked() == [other]
    assert store.requests() == [second]
    assert subject.outcome(first) == "published 2 rows"


def test_where_the_answer_cannot_be_written_nothing_is_released(
    migrated_database_url: str,
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        parked = store.park(aside(store.open().position))
        execute(migrated_database_url, "ALTER TABLE outbox_request ADD CHECK (outcome IS NULL)")
        Subject(store, store, lambda: Writer(migrated_database_url)).request(
            Request(1, "retry", parked.id, 1)
        )
        (request,) = store.requests()
        with pytest.raises(Exception, match="outbox_request"):
            store.release(parked, request, "published 2 rows")
        store.open()
        assert store.parked() == [parked]


def test_a_position_that_belongs_to_no_history_is_refused_from_then_on(subject: Subject) -> None:
    subject.store.open()
    subject.store.disown()
    subject.store.close()
    for _ in range(2):
        with pytest.raises(TimelineChanged, match="rebase"):
            subject.store.open()
    if isinstance(subject.store, PostgresStore):  # In memory there is one position.
        assert not subject.other.open().mirrored
