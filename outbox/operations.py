"""What Django does to instances: it saves and deletes them in several steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from django.db import router
from django.db.models import Model
from django.db.models.deletion import Collector
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from outbox import inheritance
from outbox.autocommit import guard_all, may_record
from outbox.patching import patch
from outbox.saving import Save
from outbox.tables import is_followed, with_parts

SAVE = (pre_save, post_save)
DELETE = (pre_delete, post_delete)

_UNFOLLOWED = nullcontext()

Method = Callable[..., Any]


def install() -> None:
    """Stand around the steps of saving and deleting; idempotent."""
    patch(Model, "save_base", _save)
    patch(Model, "_save_parents", _save_parents)
    patch(Model, "_save_table", _save_table)
    patch(Collector, "delete", _delete)


def _save(save_base: Method) -> Method:
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
        if not may_record(model, SAVE):
            save_base(self, raw, force_insert, force_update, using, update_fields)
            return
        using = using or router.db_for_write(model, instance=self)
        try:
            with guard_all(using, (model,), SAVE, raw=raw):
                save_base(self, raw, force_insert, force_update, using, update_fields)
        finally:
            if with_parts:
                inheritance.abandon(using, self)

    return guarded


def _save_parents(save_parents: Method) -> Method:
    @wraps(save_parents)
    def begun(self: Model, cls: type[Model], using: str, *args: Any, **kwargs: Any) -> Any:
        if with_parts and cls is self._meta.concrete_model:
            inheritance.begin(using, self)
        return save_parents(self, cls, using, *args, **kwargs)

    return begun


def _save_table(save_table: Method) -> Method:
    @wraps(save_table)
    def ended(
        self: Model,
        raw: bool = False,
        cls: type[Model] | None = None,
        force_insert: bool = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Any = None,
    ) -> Any:
        known = raw or is_followed(cls or type(self))  # triggers are told of raw saves
        with Save(self, raw=raw) if known else _UNFOLLOWED:
            updated = save_table(self, raw, cls, force_insert, force_update, using, update_fields)
        if with_parts and using is not None and cls is self._meta.concrete_model:
            inheritance.end(using, self)
        return updated

    return ended


def _delete(delete: Method) -> Method:
    @wraps(delete)
    def guarded(self: Collector) -> Any:
        models = [*self.data, *(rows.model for rows in self.fast_deletes)]
        with guard_all(self.using, models, DELETE), inheritance.deletion(self.using):
            return delete(self)

    return guarded
