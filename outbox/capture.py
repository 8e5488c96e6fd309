"""Models whose every create, update and delete becomes an event."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

from django.db.models import Model
from django.db.models.signals import class_prepared
from pydantic import BaseModel

from outbox.captured import Captured
from outbox.errors import InvalidCapture
from outbox.payload import Payload, payload_of
from schemas import Contract

M = TypeVar("M", bound=Model)

_captured: dict[type[Model], Captured] = {}


def capture(
    *,
    topic: str,
    type: str | None = None,  # noqa: A002 - the word of an event's class line
    version: int = 1,
    key: str = "pk",
    fields: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    contract: type[BaseModel] | None = None,
) -> Callable[[type[M]], type[M]]:
    """Record a `Change` for every row of the decorated model that is saved or deleted.

    `topic` is compacted and belongs to this model alone. `type` is "app_label.model" by default.
    `key` names the unique field whose value is the key of the events. The state holds all columns,
    or `fields`, or all but `exclude`, or the fields of `contract`, a pydantic model.

    Also for a model of another application: `capture(topic="shop.users")(User)`.
    Raises InvalidCapture for a model that cannot be captured, and at start for its columns.
    """

    def decorate(model: builtins.type[M]) -> builtins.type[M]:
        _refuse_uncapturable(model)
        if sum((fields is not None, bool(exclude), contract is not None)) > 1:
            raise InvalidCapture(
                f"{model._meta.label}: fields=, exclude= and contract= each choose the fields; "
                "keep one of them"
            )
        captured = _captured[model] = Captured(
            model,
            Contract(type=type or model._meta.label_lower, version=version, topic=topic),
            lambda: payload_of(model, key=key, fields=fields, exclude=exclude, contract=contract),
        )
        for each in _family(model):
            captured.connect(each)
        return model

    return decorate


def release(model: type[Model]) -> None:
    """Capture a model no longer; for tests."""
    captured = _captured.pop(model)
    for each in _family(model):
        captured.disconnect(each)


def captured_models() -> list[Captured]:
    return list(_captured.values())


def payload_for(model: type[Model]) -> Payload | None:
    """What the events of this class, or of the model behind this proxy, say; None without any."""
    captured = _captured.get(cast("type[Model]", model._meta.concrete_model))
    return captured.payload if captured else None


def _family(model: type[Model]) -> Iterator[type[Model]]:
    """The model, its proxies and its multi-table descendants, as far as they are known."""
    if not model._meta.abstract:
        yield model
    for child in model.__subclasses__():
        yield from _family(child)


def _adopt(*, sender: type[Model], **kwargs: object) -> None:
    """Receives `class_prepared`: a new proxy or child of a captured model is captured with it."""
    for ancestor in sender.__mro__[1:]:
        if captured := _captured.get(ancestor):
            captured.connect(sender)


def _refuse_uncapturable(model: type[Model]) -> None:
    meta = model._meta
    faults = {
        "it is abstract; capture each model that derives from it": meta.abstract,
        "it is a proxy; capture the model behind it": meta.proxy,
        "Django made it for a many-to-many relation and sends no signals for it; declare the "
        "through model": meta.auto_created,
        "it is part of the outbox": meta.app_label == "outbox",
        "it is captured already; one capture() is for one model": model in _captured,
    }
    for fault, found in faults.items():
        if found:
            raise InvalidCapture(f"{model.__name__} cannot be captured: {fault}")


class_prepared.connect(_adopt, dispatch_uid="outbox.capture")
