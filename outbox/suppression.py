"""Writing without recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeGuard

from django.db.models import Model

from outbox.errors import InvalidCapture

_suppressed: ContextVar[tuple[type[Model], ...]] = ContextVar("outbox_suppressed", default=())


@contextmanager
def suppress(*models: type[Model]) -> Iterator[None]:
    """Record nothing by itself for these models, their proxies and children; for none: for all.

    It silences `capture` and `receiver`; `record` always records. It holds in this thread, or in
    this asynchronous task, and in what Django runs for it in other threads.

    Raises InvalidCapture for what is no model: its name would silence nothing.
    """
    for model in models:
        if not is_model(model):
            raise InvalidCapture(
                f"suppress({model!r}) names no model; pass its class, such as "
                "outbox.suppress(Order), or several: outbox.suppress(Order, Line)"
            )
    token = _suppressed.set(_suppressed.get() + (models or (Model,)))
    try:
        yield
    finally:
        _suppressed.reset(token)


def is_model(given: object) -> TypeGuard[type[Model]]:
    return isinstance(given, type) and issubclass(given, Model)


def is_anything_suppressed() -> bool:
    return bool(_suppressed.get())


def is_suppressed(sender: object) -> bool:
    """Whether what this sender of a signal does goes unrecorded for now."""
    models = _suppressed.get()
    if not models:
        return False
    return Model in models or (isinstance(sender, type) and issubclass(sender, models))
