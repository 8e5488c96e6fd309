"""The save that is under way: what a statement does not know of itself."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple

from django.db.models import Model


class Save(NamedTuple):
    instance: Model
    raw: bool


_current: ContextVar[Save | None] = ContextVar("outbox_save", default=None)


class saving:  # noqa: N801 - entered by every save, it is no generator
    """A table of an instance is written."""

    __slots__ = ("_save", "_token")

    def __init__(self, instance: Model, *, raw: bool) -> None:
        self._save = Save(instance, raw)

    def __enter__(self) -> None:
        self._token = _current.set(self._save)

    def __exit__(self, *exc: object) -> None:
        _current.reset(self._token)


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
