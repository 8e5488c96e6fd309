"""Standing before methods of Django's that have no hook of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

_DJANGO = Path(django.__file__).parent
_MARK = "_patched_by_outbox"

Method = Callable[..., Any]

_before: dict[tuple[type, str], Any] = {}
"""What a class itself had under a name; None where it only inherited it."""


def patch(cls: type, name: str, around: Callable[[Method], Method]) -> None:
    """Put a method of ours before that of a class, once, whoever else stands there already."""
    method = getattr(cls, name, None)
    if method is not None and not is_patched(method):
        ours = around(method)
        setattr(ours, _MARK, method)
        _before.setdefault((cls, name), vars(cls).get(name))
        setattr(cls, name, ours)


@contextmanager
def reverted() -> Iterator[None]:
    """The classes as they were before the first patch; for tests and measurements."""
    now = {(cls, name): vars(cls)[name] for cls, name in _before}
    for (cls, name), method in _before.items():
        setattr(cls, name, method) if method is not None else delattr(cls, name)
    try:
        yield
    finally:
        for (cls, name), method in now.items():
            setattr(cls, name, method)


def is_patched(method: object) -> bool:
    """Whether ours is reached; those who wrap it properly copy its mark."""
    return hasattr(method, _MARK)


def replaces_others(method: object) -> bool:
    """Whether what ours stands before is somebody else's already, and not Django's."""
    code = getattr(getattr(method, _MARK, None), "__code__", None)
    return code is not None and not Path(code.co_filename).is_relative_to(_DJANGO)
