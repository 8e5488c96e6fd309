"""Events that nothing can refuse any more: they are made when their statement is.

Between two statements the caches of a processor are cold for what makes an event. Made together,
events take about half the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from outbox.recorded import Recorded

LARGEST = 16_000
"""Bytes up to which it pays; a full statement of such events is below its limit of bytes."""


class Pending(NamedTuple):
    """What makes an event of at most so many bytes, and cannot fail."""

    make: Callable[..., Recorded]
    arguments: tuple[Any, ...]
    size: int


Entry = Recorded | Pending


def settled(entry: Entry) -> Recorded:
    """The event, made if it was not yet."""
    return entry if isinstance(entry, Recorded) else entry.make(*entry.arguments)
