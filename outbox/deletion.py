"""What deleted rows held.

Memory does not tell: an instance may be deferred, changed or never loaded, and a parent is built
from its child. So the rows are locked and read before they go, all of a model with one query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.db.models.deletion import Collector

from outbox.autocommit import DELETE, guard, is_recorder, mark_recorder
from outbox.database import require_outbox
from outbox.payload import Payload, Values
from outbox.suppression import is_suppressed

ROWS_PER_QUERY = 1_000

Images = dict[tuple[type[Model], tuple[Any, ...]], Values]

# One for each deletion that is under way: a receiver may delete something else in the middle.
_images: ContextVar[tuple[Images, ...]] = ContextVar("outbox_images", default=())


def take_image(payload: Payload, instance: Model) -> Values | None:
    """The last values of a row that was just deleted; None if it was not there or came already."""
    levels = _images.get()
    if not levels:
        return payload.of_memory(instance)
    key = payload.model, payload.pk_of_instance(instance)
    found = None
    for images in levels:
        found = images.pop(key, found)
    return found


def replace_image(payload: Payload, values: Values) -> None:
    """A receiver of `pre_delete` has changed a row on its way out."""
    key = payload.model, payload.pk_of(values)
    for images in _images.get():
        if key in images:
            images[key] = values


def install(payload_for: Callable[[type[Model]], Payload | None]) -> None:
    """Stand before `Collector.delete`, which every deletion by Django goes through; idempotent."""
    if is_recorder(Collector.delete):
        return
    delete = Collector.delete

    @wraps(delete)
    def guarded(self: Collector) -> tuple[int, dict[str, int]]:
        with guard(self.using, self.data, DELETE), _reading_images(self, payload_for):
            return delete(self)

    mark_recorder(guarded)
    setattr(Collector, "delete", guarded)  # noqa: B010


@contextmanager
def _reading_images(
    collector: Collector, payload_for: Callable[[type[Model]], Payload | None]
) -> Iterator[None]:
    wanted = [
        (payload, [instance.pk for instance in instances])
        for model, instances in collector.data.items()
        if (payload := payload_for(model)) and not is_suppressed(payload.model)
    ]
    if not wanted:
        yield
        return
    with transaction.atomic(using=collector.using, savepoint=False):
        images: Images = {}
        for payload, pks in wanted:
            require_outbox(collector.using, payload.model._meta.label)
            images.update(_read(payload, pks, collector.using))
        token = _images.set((*_images.get(), images))
        try:
            yield
        finally:
            _images.reset(token)


def _read(payload: Payload, pks: list[Any], using: str) -> Iterator[tuple[Any, Values]]:
    rows = payload.model._base_manager.using(using).order_by("pk").select_for_update()
    for start in range(0, len(pks), ROWS_PER_QUERY):
        for values in payload.of_rows(rows.filter(pk__in=pks[start : start + ROWS_PER_QUERY])):
            yield (payload.model, payload.pk_of(values)), values
