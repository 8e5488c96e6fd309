"""Which models are captured: all of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

from django.apps import apps
from django.core.checks import run_checks
from django.db.models import Model

import outbox
from outbox.capture import captured_models, release


def topic_of(model: type[Model]) -> str | None:
    """The topic that a model is captured for."""
    return next((each.topic for each in captured_models() if each.model is model), None)


@dataclass
class Models:
    """What became of the models; `refused` says why."""

    refused: dict[str, str] = field(default_factory=dict)
    unmanaged: list[str] = field(default_factory=list)
    proxies: list[str] = field(default_factory=list)

    def capture_all(self) -> None:
        for model in self._to_capture():
            outbox.capture(topic=f"django.{model._meta.label_lower}")(model)
        for model, why in _refused().items():
            release(model)
            self.refused[model._meta.label] = why

    def _to_capture(self) -> Iterator[type[Model]]:
        for model in apps.get_models(include_auto_created=True):
            meta = model._meta
            if meta.proxy:
                self.proxies.append(meta.label)  # captured by the model behind it
            elif not meta.managed:
                self.unmanaged.append(meta.label)
            elif meta.app_label != "outbox":
                yield model


def _refused() -> dict[type[Model], str]:
    """What the system checks refuse, and why."""
    faults = [each for each in run_checks() if str(each.id).startswith("outbox.E")]
    return {each.obj: str(each.msg) for each in faults if is_model(each.obj)}


def is_model(what: object) -> TypeGuard[type[Model]]:
    return isinstance(what, type) and issubclass(what, Model)
