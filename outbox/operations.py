"""What Django does to instances: it saves and deletes them in several steps."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.db import router
from django.db.models import Model
from django.db.models.deletion import Collector
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from outbox.autocommit import guard_all
from outbox.inheritance import operation

SAVE = (pre_save, post_save)
DELETE = (pre_delete, post_delete)


def install() -> None:
    """Guard what sends the signals of models: `Model.save_base` and `Collector.delete`."""
    _install_save()
    _install_delete()


def _install_save() -> None:
    save_base = Model.save_base
    if hasattr(save_base, "__wrapped__"):
        return

    @wraps(save_base)
    def guarded(
        self: Model,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Any = None,
    ) -> None:
        model = type(self)
        using = using or router.db_for_write(model, instance=self)
        with guard_all(using, (model,), SAVE, raw=raw), operation(using, model):
            save_base(self, raw, force_insert, force_update, using, update_fields)

    setattr(Model, "save_base", guarded)  # noqa: B010


def _install_delete() -> None:
    delete = Collector.delete
    if hasattr(delete, "__wrapped__"):
        return

    @wraps(delete)
    def guarded(self: Collector) -> tuple[int, dict[str, int]]:
        models = [*self.data, *(rows.model for rows in self.fast_deletes)]
        with guard_all(self.using, models, DELETE):
            return delete(self)

    setattr(Collector, "delete", guarded)  # noqa: B010
