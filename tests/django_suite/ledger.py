"""What Django writes: its statements, the calls that they belong to, and the events that followed.

Nothing here looks at what the outbox executes.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from unittest.mock import patch

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Model, QuerySet
from django.db.models.deletion import Collector
from django.db.transaction import Atomic

from outbox.buffer import buffer_of
from outbox.recorded import Recorded

_WRITE = re.compile(r'(INSERT|UPDATE|DELETE)\b[^"]*"([^"]+)"')

# What Django does in several statements, as one write.
_WRITES = ((Model, "save_base"), (QuerySet, "update"))
_CALLS = (*_WRITES, (QuerySet, "bulk_create"), (QuerySet, "_raw_delete"), (Collector, "delete"))


@dataclass
class Statement:
    kind: str
    table: str
    rows: int


@dataclass
class Write:
    """One write: the statements that Django sent for it, and the events that were recorded."""

    statements: list[Statement] = field(default_factory=list)
    events: list[Recorded] = field(default_factory=list)


@dataclass
class Call:
    """A call of Django's that writes; `alone` where no transaction was open."""

    is_write: bool
    alone: bool
    events: int = 0
    transactions: int = 0
    """Those that Django would have opened itself."""


class Ledger:
    """Keeps the books of a connection for as long as it is `open`."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.writes: list[Write] = []
        self.calls: list[Call] = []
        """The outermost ones."""
        self.flushes: list[int] = []
        """How many events each transaction had that was committed."""
        self._connection = connection
        self._stack: list[tuple[Call, Write]] = []
        self._waiting = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        buffer = buffer_of(self._connection)
        with ExitStack() as stack:
            for cls, name in _CALLS:
                stack.enter_context(patch.object(cls, name, self._around(cls, name)))
            stack.enter_context(patch.object(Atomic, "__enter__", self._entering()))
            # An execute_wrapper would keep the COMMIT from travelling with the events.
            name = "_execute_with_wrappers"
            stack.enter_context(patch.object(CursorWrapper, name, self._executing(name)))
            buffer.watchers.append(self)
            stack.callback(buffer.watchers.remove, self)
            yield

    def added(self, row: Recorded, position: int) -> None:
        self._waiting += 1
        if self._stack:
            self._stack[0][0].events += 1
        if self.writes:
            self._write().events.append(row)

    def truncated(self, position: int) -> None:
        self._waiting = min(self._waiting, position)

    def committed(self) -> None:
        if self._waiting:
            self.flushes.append(self._waiting)
        self._waiting = 0

    def _write(self) -> Write:
        """The innermost call that is one write, or else the last statement."""
        return next((write for call, write in self._stack[::-1] if call.is_write), self.writes[-1])

    def _executing(self, name: str) -> Callable[..., Any]:
        execute = getattr(CursorWrapper, name)

        @wraps(execute)
        def executed(cursor: Any, sql: str, *args: Any, **kwargs: Any) -> Any:
            result = execute(cursor, sql, *args, **kwargs)
            if cursor.db.alias == self._connection.alias:
                self._note(sql, cursor.cursor.rowcount)
            return result

        return executed

    def _note(self, sql: str, rows: int) -> None:
        if (found := _WRITE.match(sql)) and not found[2].startswith("outbox_"):
            if not any(call.is_write for call, _ in self._stack):
                self.writes.append(Write())
            self._write().statements.append(Statement(found[1], found[2], rows))

    def _around(self, cls: type, name: str) -> Callable[..., Any]:
        method = getattr(cls, name)

        @wraps(method)
        def called(*args: Any, **kwargs: Any) -> Any:
            connection = self._connection
            alone = not connection.in_atomic_block and connection.get_autocommit()
            call, write = Call((cls, name) in _WRITES, alone), Write()
            self.writes.append(write)
            if not self._stack:
                self.calls.append(call)
            self._stack.append((call, write))
            try:
                return method(*args, **kwargs)
            finally:
                self._stack.pop()

        return called

    def _entering(self) -> Callable[[Atomic], None]:
        enter = Atomic.__enter__

        @wraps(enter)
        def entered(atomic: Atomic) -> None:
            # Django's own steps ask for no savepoint; the outbox and the tests do.
            if self._stack and not atomic.savepoint:
                self._stack[0][0].transactions += 1
            enter(atomic)

        return entered
