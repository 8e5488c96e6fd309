"""Events that nothing can refuse any more: they are made when their statement is.

Between two statements the caches of a processor are cold for what makes an event. Made together,
events take about half the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from outbox import conf
from outbox.recorded import Recorded

LARGEST = 16_000
"""Bytes up to which it pays; a full statement of such events is below its limit of bytes."""


class Pending(NamedTuple):
    """What makes an event of at most so many bytes, and cannot fail."""

    make: Callable[..., Recorded]
    arguments: tuple[Any, ...]
    size: int


Entry = Recorded | Pending

_AROUND = 100
"""Bytes of a change around its states and the names of what changed, at most."""


def small(states: int | None, *, names: int = 0) -> int | None:
    """The most bytes of an event with states and names of so many; None if it is no small one."""
    if states is None:
        return None
    size = _AROUND + states + names
    return size if size <= LARGEST and size <= conf.current().max_event_bytes else None


def size_of(names: Iterable[str]) -> int:
    """The most bytes of the names of what changed."""
    return sum(4 * len(name) + 3 for name in names)


def settled(entry: Entry) -> Recorded:
    """The event, made if it was not yet."""
    return entry if isinstance(entry, Recorded) else entry.make(*entry.arguments)
