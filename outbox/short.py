"""The short way to write the state of a row, where all its columns have one.

Rows that a statement returned hold what their columns can, so that nothing is left to validate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from schemas.scalars import Writer, quoted

Write = Callable[[dict[str, Any]], bytes | None]


class Member(NamedTuple):
    """A member of the JSON object, the column behind it, and the one type that it may have."""

    name: str
    column: str
    kind: type
    write: Writer
    may_be_null: bool


def writer_of(members: Iterable[Member]) -> Write:
    """What writes values by column; None for values that only the contract can judge."""
    parts = [(f",{quoted(each.name)}:", *each[1:]) for each in members]

    def write_state(values: dict[str, Any]) -> bytes | None:
        text = ""
        for prefix, column, kind, write, may_be_null in parts:
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

    return write_state
