"""Code of models, managers and querysets that sends SQL of its own, which no capture sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from inspect import unwrap
from types import CodeType
from typing import Any

from django.db.models import Model

_WRITE = re.compile(r"\bUPDATE\s|\bINSERT\s+INTO\s|\bDELETE\s+FROM\s|\bMERGE\s+INTO\s|\bTRUNCATE\s")


def sends_sql(model: type[Model]) -> list[str]:
    """Methods that open a cursor of the database, by name; Django's own only read with it."""
    return [name for name, codes in _methods(model) if _opens_cursor(codes)]


def writes_sql(model: type[Model]) -> list[str]:
    """Those of them in which SQL stands that writes."""
    return [name for name, codes in _methods(model) if _opens_cursor(codes) and _writes(codes)]


def _methods(model: type[Model]) -> Iterator[tuple[str, list[CodeType]]]:
    """By name, each with the code of the functions inside."""
    for cls in dict.fromkeys(cls for root in _roots(model) for cls in root.__mro__):
        if not cls.__module__.startswith("django."):
            for name, member in vars(cls).items():
                code = _code(member)
                yield f"{cls.__module__}.{cls.__qualname__}.{name}", list(_all(code))


def _roots(model: type[Model]) -> Iterator[type]:
    yield model
    for manager in model._meta.managers:
        yield type(manager)
        with suppress(Exception):  # one may refuse outside of a request
            yield type(manager.get_queryset())


def _code(member: Any) -> CodeType | None:
    for wrapped in ("__func__", "fget", "func"):  # of a class or static method, of properties
        member = getattr(member, wrapped, member)
    return getattr(unwrap(member), "__code__", None) if callable(member) else None


def _all(code: CodeType | None) -> Iterator[CodeType]:
    if code is not None:
        yield code
        for each in code.co_consts:
            if isinstance(each, CodeType):
                yield from _all(each)


def _opens_cursor(codes: list[CodeType]) -> bool:
    return any("cursor" in code.co_names for code in codes)


def _writes(codes: list[CodeType]) -> bool:
    constants = (each for code in codes for each in code.co_consts if isinstance(each, str))
    return any(_WRITE.search(each) for each in constants)
