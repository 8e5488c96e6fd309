"""Events that wait to be written."""

from __future__ import annotations

from outbox.recorded import Recorded


class Waiting:
    """Rows, the oldest first, and how many bytes of key and value they have."""

    def __init__(self) -> None:
        self.bytes = 0
        self._rows: list[Recorded] = []

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: Recorded) -> None:
        self._rows.append(row)
        self.bytes += row.size

    def oldest(self, *, rows: int, size: int) -> list[Recorded]:
        """At most so many rows, of so many bytes together; one row, however large it is."""
        found, total = self._rows[:rows], 0
        for count, row in enumerate(found):
            total += row.size
            if count and total > size:
                return found[:count]
        return found

    def remove_oldest(self, count: int) -> None:
        self._remove(slice(0, count))

    def keep_oldest(self, count: int) -> None:
        self._remove(slice(count, None))

    def _remove(self, part: slice) -> None:
        self.bytes -= sum(row.size for row in self._rows[part])
        del self._rows[part]
