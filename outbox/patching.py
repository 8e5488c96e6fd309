"""Standing before methods of Django's that have no hook of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_MARK = "_patched_by_outbox"

Method = Callable[..., Any]


def patch(cls: type, name: str, around: Callable[[Method], Method]) -> None:
    """Put a method of ours before that of a class, once, whoever else stands there already."""
    method = getattr(cls, name, None)
    if method is not None and not is_patched(method):
        ours = around(method)
        setattr(ours, _MARK, True)
        setattr(cls, name, ours)


def is_patched(method: object) -> bool:
    """Whether ours is reached; those who wrap it properly copy its mark."""
    return getattr(method, _MARK, False) is True
