"""Code of models, managers and querysets that sends SQL of its own, which no capture sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from inspect import unwrap
from types import CodeType
from typing import Any

from django.db.models import Model


def sends_sql(model: type[Model]) -> list[str]:
    """Methods that open a cursor of the database, by name; Django's own only read with it."""
    classes = dict.fromkeys(cls for root in _roots(model) for cls in root.__mro__)
    return [
        f"{cls.__module__}.{cls.__qualname__}.{name}"
        for cls in classes
        if not cls.__module__.startswith("django.")
        for name, member in vars(cls).items()
        if _opens_cursor(_code(member))
    ]


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


def _opens_cursor(code: CodeType | None) -> bool:
    if code is None:
        return False
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return "cursor" in code.co_names or any(map(_opens_cursor, inner))
