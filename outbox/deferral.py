"""Events out of rows as statements returned them, made when they are written.

Only of rows whose types tell that nothing can refuse the event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox.context import headers
from outbox.pending import Pending, size_of, small
from outbox.reading import Row
from outbox.recorded import Recorded, recorded
from outbox.short import PLAIN_KEYS, Shape, Short
from schemas import Change

if TYPE_CHECKING:
    from outbox.captured import Captured


class Deferral:
    """Rows have the columns of a captured model's payload, in their order."""

    def __init__(self, captured: Captured, short: Short) -> None:
        payload = captured.payload
        columns = list(payload.columns)
        self._captured, self._short = captured, short
        self._fields = [(name, columns.index(each)) for name, each in payload.fields.items()]
        self._keys = [columns.index(each) for each in payload.key]
        self._names = size_of(payload.fields)

    def created(self, row: Row) -> Pending | None:
        """The event of a new row; None where it has to be made at once."""
        shape = self._short.shape(row)
        size = small(shape.most(row)) if shape else None
        if shape is None or size is None:
            return None
        return Pending(self._create, (shape, row, headers()), size)

    def moved(self, before: Row, after: Row) -> bool:
        """Whether a row may go by another key now."""
        # Others may be equal in Python alone: 1 and true, or moments where clocks are set back.
        return any(
            before[at] != after[at]
            or type(before[at]) is not type(after[at])
            or type(after[at]) not in PLAIN_KEYS
            for at in self._keys
        )

    def updated(self, before: Row, after: Row) -> Pending | None:
        """The event of a row that goes by the key that it had; None where it cannot wait."""
        old, new = self._short.shape(before), self._short.shape(after)
        if old is None or new is None:
            return None
        was, now = old.most(before), new.most(after)
        if was is None or now is None:
            return None
        size = small(was + now, names=self._names)
        if size is None:
            return None
        return Pending(self._update, (old, before, new, after, headers()), size)

    def _create(self, shape: Shape, row: Row, headers: bytes | None) -> Recorded:
        text = Change.text("create", after=shape.write(row))
        return self._recorded(text, shape.key(row), headers)

    def _update(
        self, old: Shape, before: Row, new: Shape, after: Row, headers: bytes | None
    ) -> Recorded:
        changed = [name for name, column in self._fields if before[column] != after[column]]
        known = old.write(before) if self._captured.options.before else None
        text = Change.text("update", before=known, after=new.write(after), changed=changed)
        return self._recorded(text, new.key(after), headers)

    def _recorded(self, text: bytes, key: str, headers: bytes | None) -> Recorded:
        captured = self._captured
        return recorded(captured.contract, text, topic=captured.topic, key=key, headers=headers)
