"""The save that is under way: what a statement does not know of itself."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple

from django.db.models import Model


class Save(NamedTuple):
    instance: Model
    raw: bool


_current: ContextVar[Save | None] = ContextVar("outbox_save", default=None)


def is_raw() -> bool:
    """Whether the statement belongs to a raw save, such as those of `loaddata`."""
    save = _current.get()
    return save is not None and save.raw


def sender() -> type[Model] | None:
    """The class of the instance that is saved; None for other writes."""
    save = _current.get()
    return type(save.instance) if save else None


def install() -> None:
    """Stand before `Model._save_table`, which writes one table and sends no signals; idempotent."""
    save_table: Callable[..., bool] = Model._save_table  # type: ignore[attr-defined]
    if hasattr(save_table, "__wrapped__"):
        return

    @wraps(save_table)
    def announced(self: Model, raw: bool = False, *args: Any, **kwargs: Any) -> bool:
        token = _current.set(Save(self, raw))
        try:
            return save_table(self, raw, *args, **kwargs)
        finally:
            _current.reset(token)

    Model._save_table = announced  # type: ignore[attr-defined]
