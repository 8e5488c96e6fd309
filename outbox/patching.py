"""Standing before methods of Django's that have no hook of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

_DJANGO = Path(django.__file__).parent
_MARK = "_patched_by_outbox"

Method = Callable[..., Any]


def patch(cls: type, name: str, around: Callable[[Method], Method]) -> None:
    """Put a method of ours before that of a class, once, whoever else stands there already."""
    method = getattr(cls, name, None)
    if method is not None and not is_patched(method):
        ours = around(method)
        setattr(ours, _MARK, method)
        setattr(cls, name, ours)


def is_patched(method: object) -> bool:
    """Whether ours is reached; those who wrap it properly copy its mark."""
    return hasattr(method, _MARK)


def replaces_others(method: object) -> bool:
    """Whether what ours stands before is somebody else's already, and not Django's."""
    code = getattr(getattr(method, _MARK, None), "__code__", None)
    return code is not None and not Path(code.co_filename).is_relative_to(_DJANGO)
