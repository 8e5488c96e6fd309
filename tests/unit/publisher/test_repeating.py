"""Going on with another history, over random ones: nothing is lost, and nothing inverted."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.adapters.memory import MemoryDatabase, MemoryStore
from publisher.ports import Limits, Row
from publisher.position import Position, Snapshot
from publisher.window import Window
from tests.unit.publisher.histories import WRITERS, History

Steps = Sequence[tuple[object, ...]]
Repeat = Callable[[Position, int, Snapshot, int | None], Position]

_WRITES = [
    st.tuples(st.just("touch"), WRITERS),
    st.tuples(st.just("write"), WRITERS, st.integers(0, 2)),
    st.tuples(st.just("commit"), WRITERS),
    st.tuples(st.just("rollback"), WRITERS),
]
WRITES = st.lists(st.one_of(*_WRITES), max_size=30)
BUSY = st.lists(
    st.one_of(*_WRITES, st.tuples(st.just("read"), st.integers(1, 4)), st.tuples(st.just("save"))),
    max_size=50,
)


@dataclass
class Server:
    """A history, when each row was recorded, and a publisher that stores its position at times."""

    history: History = field(default_factory=History)
    recorded: dict[int, int] = field(default_factory=dict)
    tick: int = 0
    position: Position = field(default_factory=Position)
    saved: tuple[Position, int] = (Position(), 0)
    delivered: list[Row] = field(default_factory=list)
    rewound: bool = False

    @property
    def database(self) -> MemoryDatabase:
        return self.history.database

    def play(self, steps: Steps) -> None:
        for step in steps:
            self.tick += 1
            match step:
                case ("touch", int(writer)):
                    self.history.touch(writer)
                case ("write", int(writer), int(key)):
                    self._write(writer, key)
                case ("commit" | "rollback" as how, int(writer)):
                    self.history.end(writer, commit=how == "commit")
                case ("read", int(keep)):
                    self._read(keep)
                case ("save",):
                    self.saved = (self.position, self.tick)

    def _write(self, writer: int, key: int) -> None:
        rows = self.database.rows
        before = len(rows)
        self.history.write(writer, key)
        if len(rows) > before:
            xid, row = rows[-1]
            if self.rewound:
                used = {row.id for _, row in rows[:-1]}
                rows[-1] = xid, row._replace(id=min(set(range(1, before + 2)) - used))
            self.recorded[id(rows[-1][1])] = self.tick

    def _read(self, keep: int) -> None:
        """Publish some rows of the next page, and no more of it."""
        store = MemoryStore(self.database)
        store.open()
        page = Window(store, self.position, limits=Limits(rows=3)).read()
        done = min(keep, len(page.rows))
        self.position = page.after(done)
        self.delivered += page.rows[:done]

    def promoted(self, *, rewound: bool = False) -> "Server":
        """A copy in which what is open is rolled back, and whose numbers are given once more."""
        database, now = MemoryDatabase(), self.database
        database.next_xid, database.committed = now.next_xid, set(now.committed)
        database.rows = [(xid, row) for xid, row in now.rows if not rewound or xid in now.committed]
        history = History(database)
        return Server(history, dict(self.recorded), self.tick, rewound=rewound)

    def rebase(self, stored: Position, since: int, repeat: Repeat) -> None:
        """As the statements do it."""
        here, visible = self.database.snapshot(), self.database.visible()
        recent = [xid for xid, row in visible if self.recorded[id(row)] >= since]
        lowest = min([here.xmin, *recent])
        now = stored.seen
        again = [row.id for xid, row in visible if lowest <= xid < now.xmax and now.sees(xid)]
        self.position = repeat(stored, lowest, here, min(again, default=None))

    def drain(self) -> None:
        """Let everybody end, and publish all there is."""
        self.history.end_all()
        store = MemoryStore(self.database)
        store.open()
        window = Window(store, self.position, limits=Limits(rows=3))
        while not ((page := window.read()).end.now is None and not page.rows):
            self.delivered += page.rows


def lost(server: Server, delivered: list[Row]) -> list[str]:
    found = set(map(id, delivered))
    return [f"lost {row.id}" for _, row in server.database.visible() if id(row) not in found]


def inverted(server: Server, delivered: list[Row]) -> list[str]:
    there = {id(row) for _, row in server.database.visible()}
    firsts: dict[bytes, dict[int, int]] = defaultdict(dict)
    for row in delivered:
        if id(row) in there:
            firsts[row.key].setdefault(id(row), row.id)
    orders = [list(ids.values()) for ids in firsts.values()]
    return [f"inverted {ids}" for ids in orders if ids != sorted(ids)]


def fail_over(before: Steps, gone: Steps, after: Steps, margin: int, repeat: Repeat) -> list[str]:
    """The position is one from before the histories part; what A sent behind that has arrived."""
    a = Server()
    a.play(before)
    stored, at = a.saved
    b = a.promoted()
    a.play(gone)
    b.play(after)
    b.rebase(stored, at - margin, repeat)
    b.drain()
    delivered = a.delivered + b.delivered
    return lost(b, delivered) + inverted(b, delivered)


def put_together(before: Steps, gone: Steps, after: Steps, repeat: Repeat) -> list[str]:
    """The position is one of A from behind that, and the margin long enough; ids are rewound, too,
    so that order is nobody's to keep."""
    a = Server()
    a.play(before)
    b = a.promoted(rewound=True)
    a.play(gone)
    stored, _ = a.saved
    b.play(after)
    b.rebase(stored, len(before), repeat)
    covered = [row for xid, row in b.database.visible() if b.position.covers(xid, row.id)]
    b.history.end_all()
    covered += [row for xid, row in b.database.visible() if b.position.covers(xid, row.id)]
    sent = set(map(id, a.delivered))
    return [f"lost {row.id}" for row in covered if id(row) not in sent]


@given(BUSY, BUSY, WRITES, st.integers(0, 20))
@settings(max_examples=300)
def test_after_a_fail_over_nothing_is_lost_and_a_key_stays_in_order(
    before: Steps, gone: Steps, after: Steps, margin: int
) -> None:
    assert fail_over(before, gone, after, margin, Position.repeating) == []


@given(BUSY, BUSY, WRITES)
@settings(max_examples=300)
def test_no_row_is_lost_whose_transaction_and_id_were_given_before(
    before: Steps, gone: Steps, after: Steps
) -> None:
    assert put_together(before, gone, after, Position.repeating) == []


def test_a_window_that_is_cut_by_number_inverts_a_key() -> None:
    def cut(stored: Position, lowest: int, here: Snapshot, first: int | None) -> Position:
        return stored.below(lowest)

    before: Steps = [
        *[("touch", 0), ("touch", 1)],
        *[("write", 3, 1), ("write", 3, 1), ("commit", 3)],
        *[("write", 2, 0), ("commit", 2), ("write", 0, 0), ("commit", 0)],
        *[("read", 1), ("save",), ("write", 1, 2), ("commit", 1)],
    ]
    assert fail_over(before, [], [], 0, cut) == ["inverted [4, 3]"]
    assert fail_over(before, [], [], 0, Position.repeating) == []


def test_a_row_that_comes_again_below_the_last_id_would_be_lost() -> None:
    def keep(stored: Position, lowest: int, here: Snapshot, first: int | None) -> Position:
        return replace(stored, prev=stored.prev.below(lowest))

    gone: Steps = [*[("write", 0, 0)] * 4, ("commit", 0), ("read", 2), ("save",)]
    after: Steps = [("write", 0, 1), ("commit", 0)]
    assert put_together([], gone, after, keep) == ["lost 1", "lost 1"]
    assert put_together([], gone, after, Position.repeating) == []


def test_a_window_whose_numbers_are_given_again_later_would_lose_rows() -> None:
    def trust(stored: Position, lowest: int, here: Snapshot, first: int | None) -> Position:
        return stored.repeating(lowest, stored.seen, first)

    gone: Steps = [*[("write", 0, 0)] * 4, ("commit", 0), ("read", 2), ("save",)]
    after: Steps = [("write", 0, 1)]
    assert put_together([], gone, after, trust) == ["lost 1"]
    assert put_together([], gone, after, Position.repeating) == []


def test_of_a_window_nothing_comes_again_but_what_was_recorded_since() -> None:
    """Neither what is published of it, nor what waits there, moves."""
    at = Position(Snapshot(1, 1), Snapshot(50, 50), 20)
    assert at.repeating(60, Snapshot(70, 70), None) == at
    assert at.repeating(40, Snapshot(70, 70), 15) == replace(at, last_id=14)
    assert at.repeating(40, Snapshot(70, 70), 30) == at
    assert at.repeating(40, Snapshot(45, 70, (45,)), 30) == Position(at.prev)
