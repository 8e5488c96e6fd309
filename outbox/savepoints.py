"""The savepoints of the open transaction."""

from __future__ import annotations


class Savepoints:
    """Open savepoints, the oldest first, each with the number of events that are older than it."""

    def __init__(self) -> None:
        self._marks: list[tuple[str, int]] = []

    def __len__(self) -> int:
        return len(self._marks)

    def add(self, sid: str, position: int) -> None:
        self._marks.append((sid, position))

    def index(self, sid: str) -> int | None:
        """Where the youngest savepoint of this name stands; None if it is not among them."""
        for index in range(len(self._marks) - 1, -1, -1):
            if self._marks[index][0] == sid:
                return index
        return None

    def position(self, index: int) -> int:
        return self._marks[index][1]

    def keep(self, count: int) -> None:
        """Only the oldest are left."""
        del self._marks[count:]
