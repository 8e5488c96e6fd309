"""For the tests of those who use the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from outbox import database
from outbox.buffer import buffer_of
from outbox.recorded import Recorded


class _Recording(list[Recorded]):
    """What was recorded and not rolled back; the tail belongs to the transaction that is open."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self._settled = 0
        self._start = position

    def added(self, row: Recorded, position: int) -> None:
        self.append(row)

    def truncated(self, position: int) -> None:
        del self[self._settled + max(0, position - self._start) :]
        self._start = min(self._start, position)

    def committed(self) -> None:
        self._settled, self._start = len(self), 0


@contextmanager
def captured_events() -> Iterator[list[Recorded]]:
    """The events that the block records, in order, without those that it rolls back.

    Works inside a transaction that never commits, such as a TestCase's, and adds no `on_commit`
    callback. Each entry has `event` (what a consumer decodes; None for a tombstone), `type`,
    `version`, `topic`, `key`, `value`. It sees what this thread records.
    """
    buffer = buffer_of(connections[database.alias()])
    recording = _Recording(buffer.position)
    buffer.watchers.append(recording)
    try:
        yield recording
    finally:
        buffer.watchers[:] = [each for each in buffer.watchers if each is not recording]
