"""The short way to write the state of a row, where all its columns have one.

Rows that a statement returned hold what their columns can, so that nothing is left to validate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from schemas.scalars import Writer, most_of, quoted


class Member(NamedTuple):
    """A member of the JSON object, the column behind it, and the one type that it may have."""

    name: str
    column: str
    kind: type
    write: Writer
    may_be_null: bool


class Short:
    """Writes values by column; what only the contract can judge is left to it."""

    def __init__(self, members: Iterable[Member]) -> None:
        members = list(members)
        self._parts = [(f",{quoted(each.name)}:", *each[1:]) for each in members]
        self._fixed = 2 + sum(len(prefix.encode()) + 4 for prefix, *_ in self._parts)  # or null
        self._kinds = [(each.column, each.kind, each.may_be_null) for each in members]
        self._measured = []
        for member in members:
            most = most_of(member.kind)
            if isinstance(most, int):
                self._fixed += most
            else:
                self._measured.append((member.column, most))

    def write(self, values: dict[str, Any]) -> bytes | None:
        """The state in canonical JSON; None for values that only the contract can judge."""
        text = ""
        for prefix, column, kind, write, may_be_null in self._parts:
            value = values[column]
            if type(value) is kind:
                try:
                    text += prefix + write(value)
                except ValueError:
                    return None
            elif value is None and may_be_null:
                text += prefix + "null"
            else:
                return None
        return f"{{{text[1:]}}}".encode()

    def most(self, values: dict[str, Any]) -> int | None:
        """The most bytes that `write` can give; None where it may give none."""
        for column, kind, may_be_null in self._kinds:
            value = values[column]
            if type(value) is not kind and not (value is None and may_be_null):
                return None
        total = self._fixed
        for column, measure in self._measured:
            value = values[column]
            if value is not None:
                size = measure(value)
                if size is None:
                    return None
                total += size
        return total
