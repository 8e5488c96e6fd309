"""Models whose every create, update and delete becomes an event."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from django.db.models import Model
from pydantic import BaseModel

from outbox import database
from outbox.captured import Captured
from outbox.contracts import contract_of
from outbox.errors import InvalidCapture
from outbox.options import Options, Protection, Via
from outbox.suppression import is_model

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
    via: Via = "statement",
) -> Callable[[type[M]], type[M]]:
    """Record a `Change` for every row of the decorated model that is written.

    `topic` is compacted and belongs to this model alone. `type` is "app_label.model" by default.
    `key` names the unique field whose value is the key of the events. The state holds all columns,
    or `fields`, or all but `exclude`, or the fields of `contract`, a pydantic model; `sensitive`
    says which of them travel as a hash, {"email": "hash"}, or not at all, {"password": "drop"}.

    With `before`, an update carries the state before it; with `skip_unchanged`, one that changed
    nothing of the state is no event; with `refresh`, rows are read again after the statement, for
    what triggers set later.

    `via="statement"` sees what Django's ORM writes. `via="trigger"` sees every writer, raw SQL and
    other programs included; the trigger comes with a migration (needs django-pgtrigger).

    Also for a model of another application: `capture(topic="shop.users")(User)`.
    Raises InvalidCapture for a model that cannot be captured, and at start for its columns;
    NotInstalled where 'outbox' is not in INSTALLED_APPS; schemas.errors.InvalidContract for a
    type, version or topic that is none.
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
        via=via,
    )

    def decorate(model: builtins.type[M]) -> builtins.type[M]:
        database.require_installed()
        _refuse(model, topic, options)
        line = contract_of(model._meta.label, type=type, version=version, topic=topic)
        captured = Captured(model, line, options)
        captured.follow()
        _captured[model] = captured
        return model

    return decorate


def release(model: type[Model]) -> None:
    """Capture a model no longer; for tests."""
    _captured.pop(model).unfollow()


def captured_models() -> list[Captured]:
    return list(_captured.values())


def _refuse(model: type[Model], topic: object, options: Options) -> None:
    if not is_model(model):
        raise InvalidCapture(f"{model!r} cannot be captured: it is no model; decorate one")
    meta = model._meta
    faults: dict[str | None, bool] = {
        "it is abstract; capture each model that derives from it": meta.abstract,
        "it is a proxy; capture the model behind it": meta.proxy,
        "it is part of the outbox": meta.app_label == "outbox",
        "it is captured already; one capture() is for one model": model in _captured,
        'it needs a topic, such as topic="shop.orders"': topic is None,
        options.fault(): options.fault() is not None,
        **(_faults_of_trigger(model) if options.via == "trigger" else {}),
    }
    for fault, found in faults.items():
        if found:
            raise InvalidCapture(f"{meta.label} cannot be captured: {fault}")


def _faults_of_trigger(model: type[Model]) -> dict[str | None, bool]:
    meta = model._meta
    return {
        'its rows are in several tables, and a trigger sees one; drop via="trigger"': bool(
            meta.parents
        ),
        'no migration makes its trigger, as it has managed=False; drop via="trigger"': not (
            meta.managed
        ),
        "no migration makes its trigger, as Django made the model; declare it, and name it with "
        "through=": bool(meta.auto_created),
    }
