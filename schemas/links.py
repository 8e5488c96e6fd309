"""What happened to the links of a many-to-many relation."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from schemas.event import Event

K = TypeVar("K")
T = TypeVar("T")


class Links(Event, Generic[K, T]):
    """Links of one row of the captured side were added or removed.

    `owner` is the key of that row, `ids` are those of the rows at the other end, in ascending
    order.
    """

    op: Literal["add", "remove"]
    owner: K
    ids: tuple[T, ...]
