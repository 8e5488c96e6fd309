"""Random histories of writers that lock the row of a key before they record, and their reader."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from publisher.adapters.memory import MemoryDatabase, MemoryStore, Transaction
from publisher.ports import Row

Read = Callable[[], Iterable[Row]]


@dataclass
class History:
    """Writers on a `MemoryDatabase`, where a key is written by one open transaction at a time."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    open: dict[int, Transaction] = field(default_factory=dict)
    locks: dict[int, int] = field(default_factory=dict)
    published: list[Row] = field(default_factory=list)

    def touch(self, writer: int) -> None:
        self._writer(writer).touch()

    def write(self, writer: int, key: int) -> None:
        if self.locks.setdefault(key, writer) == writer:
            self._writer(writer).record(key=str(key).encode())

    def end(self, writer: int, *, commit: bool) -> None:
        transaction = self.open.pop(writer, None)
        if transaction is not None:
            transaction.commit() if commit else transaction.rollback()
        self.locks = {key: holder for key, holder in self.locks.items() if holder != writer}

    def end_all(self) -> None:
        for writer in list(self.open):
            self.end(writer, commit=True)

    def _writer(self, writer: int) -> Transaction:
        return self.open.setdefault(writer, self.database.begin())

    def faults(self) -> list[str]:
        """What a consumer would complain about, once everything has been read."""
        expected = [row.id for _, row in self.database.visible()]
        found = [row.id for row in self.published]
        lost = [f"lost {i}" for i in expected if i not in found]
        repeated = [f"repeated {i}" for i in set(found) if found.count(i) > 1]
        return lost + repeated + self._inversions()

    def _inversions(self) -> list[str]:
        keys: dict[bytes, list[int]] = defaultdict(list)
        for row in self.published:
            keys[row.key].append(row.id)
        return [f"inverted {key!r}: {ids}" for key, ids in keys.items() if ids != sorted(ids)]


WRITERS = st.integers(0, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("touch"), WRITERS),
        st.tuples(st.just("write"), WRITERS, st.integers(0, 3)),
        st.tuples(st.just("commit"), WRITERS),
        st.tuples(st.just("rollback"), WRITERS),
        st.tuples(st.just("read")),
    ),
    max_size=60,
)


def play(steps: list[tuple[object, ...]], make_reader: Callable[[MemoryStore], Read]) -> list[str]:
    """Play a history, read everything, and return the faults."""
    history = History()
    store = MemoryStore(history.database)
    store.open()
    read = make_reader(store)
    for step in steps:
        match step:
            case ("touch", int(writer)):
                history.touch(writer)
            case ("write", int(writer), int(key)):
                history.write(writer, key)
            case ("commit" | "rollback" as how, int(writer)):
                history.end(writer, commit=how == "commit")
            case _:
                history.published += read()
    history.end_all()
    while rows := list(read()):
        history.published += rows
    return history.faults()
