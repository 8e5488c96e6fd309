"""A captured model: it receives its signals and records its events."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any, cast

from django.apps import apps
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_save

from outbox import conf, deletion
from outbox.autocommit import mark_recorder
from outbox.database import require_outbox
from outbox.payload import Payload, Values
from outbox.record import recording
from outbox.recorded import Recorded, recorded, tombstone
from outbox.suppression import is_suppressed
from schemas import Change, Contract


class Captured:
    """Every row of the model that is saved or deleted becomes an event of this contract."""

    def __init__(
        self, model: type[Model], contract: Contract, make_payload: Callable[[], Payload]
    ) -> None:
        self.model = model
        self.label = model._meta.label
        self.contract = contract
        self.topic = cast("str", contract.topic)
        self._make_payload = make_payload

    @cached_property
    def payload(self) -> Payload:
        """Made once all models are loaded: a relation takes the type of its target."""
        apps.check_models_ready()
        return self._make_payload()

    @cached_property
    def event(self) -> type[Change[Any]]:
        """The class of the events; consumers find it by type and version."""
        payload, name = self.payload, f"{self.model.__name__}Change"
        keys = [field for field, column in payload.fields.items() if (column,) == payload.key]
        place = {"__module__": self.model.__module__, "__qualname__": name}
        made = types.new_class(
            name,
            (Change[payload.state],),  # type: ignore[name-defined]
            {
                "type": self.contract.type,
                "version": self.contract.version,
                "topic": self.topic,
                "key": keys[0] if keys else None,
            },
            lambda namespace: namespace.update(place),
        )
        return cast("type[Change[Any]]", made)

    def connect(self, model: type[Model]) -> None:
        """Receive the signals of the model itself, of a proxy, or of a multi-table child."""
        post_save.connect(self.saved, sender=model, weak=False)
        if model._meta.concrete_model is self.model:
            post_delete.connect(self.deleted, sender=model, weak=False)
        else:
            # Deleting a child sends its parent's own signal; saving one does not.
            pre_save.connect(self.child_to_be_saved, sender=model, weak=False)

    def disconnect(self, model: type[Model]) -> None:
        post_save.disconnect(self.saved, sender=model)
        post_delete.disconnect(self.deleted, sender=model)
        pre_save.disconnect(self.child_to_be_saved, sender=model)

    def child_to_be_saved(
        self, sender: type[Model], *, instance: Model, raw: bool, using: str, **kwargs: object
    ) -> None:
        """Note whether a new child joins a parent that exists: then the parent is updated."""
        if raw or not instance._state.adding or is_suppressed(self.model):
            return
        pk = self._pk_of_child(instance)
        parents = self.model._base_manager.using(using)
        existed = pk is not None and parents.filter(pk=pk).exists()
        setattr(instance._state, self._existence_mark, existed)

    def saved(
        self,
        sender: type[Model],
        *,
        instance: Model,
        created: bool,
        using: str,
        raw: bool = False,
        update_fields: Collection[str] | None = None,
        **kwargs: object,
    ) -> None:
        if is_suppressed(self.model) or not self._is_written(sender, raw, update_fields):
            return
        require_outbox(using, self.label)
        with recording(self.label) as buffer:
            values = self.payload.of_saved(
                instance, using=using, created=created, raw=raw, update_fields=update_fields
            )
            deletion.replace_image(self.payload, values)
            op = "create" if created and not self._existed(instance) else "update"
            buffer.append(self._row(values, op=op, after=self.payload.state_of(values)))

    def deleted(
        self, sender: type[Model], *, instance: Model, using: str, **kwargs: object
    ) -> None:
        if is_suppressed(self.model):
            return
        require_outbox(using, self.label)
        with recording(self.label) as buffer:
            values = deletion.take_image(self.payload, instance)
            if values is None:
                return
            row = self._row(values, op="delete", before=self.payload.state_of(values))
            buffer.append(row)
            buffer.append(tombstone(row))

    def _row(self, values: Values, **change: Any) -> Recorded:
        event = self.event(**change)
        return recorded(event, topic=self.topic, key=self.payload.key_of(values))

    def _is_written(
        self, sender: type[Model], raw: bool, update_fields: Collection[str] | None
    ) -> bool:
        """Whether such a save of this model, or of a child of it, is for us to record."""
        if raw and not conf.current().capture_raw:
            return False
        if sender._meta.concrete_model is self.model:
            return True
        if raw:
            # Of a child, it writes the child's own table: the parent is loaded separately.
            return False
        return update_fields is None or not self._field_names.isdisjoint(update_fields)

    @cached_property
    def _field_names(self) -> frozenset[str]:
        fields = self.model._meta.concrete_fields
        return frozenset(name for field in fields for name in (field.name, field.attname))

    def _pk_of_child(self, instance: Model) -> object:
        link = instance._meta.get_ancestor_link(self.model)
        linked = getattr(instance, link.attname) if link else None
        if linked is not None or self.model._meta.pk is None:
            return linked
        return getattr(instance, self.model._meta.pk.attname)

    @property
    def _existence_mark(self) -> str:
        return f"outbox_existed_{self.label}"

    def _existed(self, instance: Model) -> bool:
        return bool(instance._state.__dict__.pop(self._existence_mark, False))


mark_recorder(Captured.saved)
mark_recorder(Captured.deleted)
