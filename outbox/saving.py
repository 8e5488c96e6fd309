"""The save that is under way: what a statement does not know of itself."""

from __future__ import annotations

from contextvars import ContextVar

from django.db.models import Model


class Save:
    """A table of an instance is written, as long as the block runs."""

    __slots__ = ("_token", "instance", "raw")

    def __init__(self, instance: Model, *, raw: bool) -> None:
        self.instance, self.raw = instance, raw

    def __enter__(self) -> None:
        self._token = _current.set(self)

    def __exit__(self, *exc: object) -> None:
        _current.reset(self._token)


_current: ContextVar[Save | None] = ContextVar("outbox_save", default=None)


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
