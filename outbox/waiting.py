"""Events that wait to be written."""

from __future__ import annotations

from outbox.pending import Entry, settled
from outbox.recorded import Recorded


class Waiting:
    """Events, the oldest first, and how many bytes of key and value they have at most."""

    def __init__(self) -> None:
        self.bytes = 0
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, entry: Entry) -> None:
        self._entries.append(entry)
        self.bytes += entry.size

    def oldest(self, *, rows: int, size: int) -> list[Recorded]:
        """At most so many rows, of so many bytes together; one row, however large it is."""
        if len(self._entries) <= rows and self.bytes <= size:
            return list(map(settled, self._entries))
        found = self._settle(rows)
        if self.bytes <= size:
            return found
        total = 0
        for count, row in enumerate(found):
            total += row.size
            if count and total > size:
                return found[:count]
        return found

    def _settle(self, count: int) -> list[Recorded]:
        """So many of the oldest, each made if it was not yet."""
        before = self._entries[:count]
        made = [settled(entry) for entry in before]
        self._entries[:count] = made
        self.bytes += sum(row.size for row in made) - sum(entry.size for entry in before)
        return made

    def remove_oldest(self, count: int) -> None:
        self._remove(0, count)

    def keep_oldest(self, count: int) -> None:
        self._remove(count, len(self._entries))

    def _remove(self, start: int, end: int) -> None:
        if start == 0 and end >= len(self._entries):
            self._entries.clear()
            self.bytes = 0
            return
        self.bytes -= sum(entry.size for entry in self._entries[start:end])
        del self._entries[start:end]
