"""The short way to write the state of a row, where all its columns have one.

Rows that a statement returned hold what their columns can, so that nothing is left to validate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID

from outbox.keys import text_of
from schemas.scalars import Writer, most_of, quoted

SHAPES = 1_000
"""How many are kept; a table with many columns that may be null has more."""

PLAIN_KEYS = frozenset({int, UUID})
"""Types of keys that have a text, whatever they hold; equal ones have the same."""

_LONGEST_KEY = 40
_BYTES = {str: 6, bytes: 2}
"""Of JSON for each unit of length, at most."""

_IS_WRITTEN: dict[type, Callable[[Any], bool]] = {
    Decimal: Decimal.is_finite,
    float: isfinite,
    datetime: lambda value: value.tzinfo is UTC,
}
"""Whether JSON has a value, of types of which it has not all."""

Row = Sequence[Any]
Kinds = tuple[type, ...]


class Member(NamedTuple):
    """A member of the JSON object, where its column is, and the one type that it may have."""

    name: str
    column: int
    kind: type
    write: Writer
    may_be_null: bool

    def takes(self, kind: type) -> bool:
        return kind is self.kind or (kind is NoneType and self.may_be_null)


class Shape:
    """What rows have in common whose columns have the same types."""

    def __init__(self, members: Sequence[Member], keys: Sequence[int], kinds: Kinds) -> None:
        names = [quoted(member.name) for member in members]
        columns = [(member.column, kinds[member.column]) for member in members]
        self._template = "{" + ",".join(f"{name.replace('%', '%%')}:%s" for name in names) + "}"
        self._writers = [
            (column, _null if kind is NoneType else member.write)
            for (column, kind), member in zip(columns, members, strict=True)
        ]
        self._fixed = len(self._template.encode()) + len(keys) * _LONGEST_KEY
        self._fixed += sum(most_of(kind) for _, kind in columns)
        self._sized = [(column, _BYTES[kind]) for column, kind in columns if kind in _BYTES]
        self._decimals = [column for column, kind in columns if kind is Decimal]
        self._checks = [(at, _IS_WRITTEN[kind]) for at, kind in columns if kind in _IS_WRITTEN]
        self._keys = keys
        self._key_may_be_refused = not PLAIN_KEYS.issuperset(kinds[column] for column in keys)

    def write(self, row: Row) -> bytes:
        """The JSON object; ValueError for what JSON does not have."""
        members = [write(row[column]) for column, write in self._writers]
        return (self._template % tuple(members)).encode()

    def key(self, row: Row) -> str:
        """The text of the key."""
        return text_of([row[column] for column in self._keys])

    def most(self, row: Row) -> int | None:
        """The most bytes of object and key; None where one of them may be refused."""
        if self._key_may_be_refused:
            return None
        total = self._fixed
        for column, is_written in self._checks:
            if not is_written(row[column]):
                return None
        for column, size in self._sized:
            total += size * len(row[column])
        for column in self._decimals:
            total += len(str(row[column]))
        return total


class Short:
    """Writes rows; what only the contract can judge is left to it."""

    def __init__(self, members: Iterable[Member], *, keys: Iterable[int]) -> None:
        self._keys = tuple(keys)
        self._members = list(members)
        self._shapes: dict[Kinds, Shape | None] = {}

    def write(self, row: Row) -> bytes | None:
        """The state in canonical JSON; None for values that only the contract can judge."""
        shape = self.shape(row)
        try:
            return shape.write(row) if shape else None
        except ValueError:
            return None

    def most(self, row: Row) -> int | None:
        """The most bytes of state and key; None where one of them may be refused."""
        shape = self.shape(row)
        return shape.most(row) if shape else None

    def shape(self, row: Row) -> Shape | None:
        """None where a value has another type than its column."""
        kinds = tuple(map(type, row))
        try:
            return self._shapes[kinds]
        except KeyError:
            return self._keep(kinds)

    def _keep(self, kinds: Kinds) -> Shape | None:
        fits = all(member.takes(kinds[member.column]) for member in self._members)
        shape = Shape(self._members, self._keys, kinds) if fits else None
        if len(self._shapes) >= SHAPES:
            self._shapes.clear()
        self._shapes[kinds] = shape
        return shape


def _null(value: None) -> str:
    return "null"
