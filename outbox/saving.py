"""The save that is under way: what a statement does not know of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from django.db.models import Model


class Save(NamedTuple):
    instance: Model
    raw: bool


_current: ContextVar[Save | None] = ContextVar("outbox_save", default=None)


@contextmanager
def saving(instance: Model, *, raw: bool) -> Iterator[None]:
    """A table of an instance is written."""
    token = _current.set(Save(instance, raw))
    try:
        yield
    finally:
        _current.reset(token)


def of(model: type[Model]) -> Save | None:
    """The save to which a statement on a model's table belongs; None for other writes."""
    save = _current.get()
    # A field may write something else on its way, such as a file into a table.
    concrete = model._meta.concrete_model
    return save if save and concrete and isinstance(save.instance, concrete) else None


def is_raw() -> bool:
    """Whether a raw save is under way, such as those of `loaddata`."""
    save = _current.get()
    return save is not None and save.raw
