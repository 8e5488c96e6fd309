"""Models whose every create, update and delete becomes an event."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from django.db.models import Model
from pydantic import BaseModel

from outbox import tables
from outbox.captured import Captured
from outbox.errors import InvalidCapture
from outbox.options import Options, Protection
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
    sensitive: Mapping[str, Protection] | None = None,
    before: bool = False,
    skip_unchanged: bool = False,
    refresh: bool = False,
) -> Callable[[type[M]], type[M]]:
    """Record a `Change` for every row of the decorated model that is written.

    `topic` is compacted and belongs to this model alone. `type` is "app_label.model" by default.
    `key` names the unique field whose value is the key of the events. The state holds all columns,
    or `fields`, or all but `exclude`, or the fields of `contract`, a pydantic model; `sensitive`
    says which of them travel as a hash, {"email": "hash"}, or not at all, {"password": "drop"}.

    With `before`, an update carries the state before it; with `skip_unchanged`, one that changed
    nothing of the state is no event; with `refresh`, rows are read again after the statement, for
    what triggers set later.

    Also for a model of another application: `capture(topic="shop.users")(User)`.
    Raises InvalidCapture for a model that cannot be captured, and at start for its columns;
    schemas.errors.InvalidContract for a type, version or topic that is none.
    """
    options = Options(
        key=key,
        fields=fields,
        exclude=exclude,
        contract=contract,
        sensitive=sensitive or {},
        before=before,
        skip_unchanged=skip_unchanged,
        refresh=refresh,
    )

    def decorate(model: builtins.type[M]) -> builtins.type[M]:
        _refuse(model, topic, options)
        line = Contract(type=type or model._meta.label_lower, version=version, topic=topic)
        captured = _captured[model] = Captured(model, line, options)
        captured.follow()
        return model

    return decorate


def release(model: type[Model]) -> None:
    """Capture a model no longer; for tests."""
    tables.unfollow(_captured.pop(model))


def captured_models() -> list[Captured]:
    return list(_captured.values())


def _refuse(model: type[Model], topic: object, options: Options) -> None:
    meta = model._meta
    faults = {
        "it is abstract; capture each model that derives from it": meta.abstract,
        "it is a proxy; capture the model behind it": meta.proxy,
        "it is part of the outbox": meta.app_label == "outbox",
        "it is captured already; one capture() is for one model": model in _captured,
        'it needs a topic, such as topic="shop.orders"': topic is None,
        options.fault(): options.fault() is not None,
    }
    for fault, found in faults.items():
        if found:
            raise InvalidCapture(f"{meta.label} cannot be captured: {fault}")
