"""A captured model: it follows its table and records its events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

from django.apps import apps
from django.db.models import Model

from outbox import conf, inheritance, tables
from outbox.buffer import Buffer
from outbox.columns import AnyField, may_change
from outbox.context import headers
from outbox.contracts import event_class
from outbox.deferral import Deferral
from outbox.options import Options
from outbox.payload import Column, Payload, Values, payload_of
from outbox.pending import Entry, Pending, settled, size_of, small
from outbox.recorded import Recorded, recorded, tombstone
from outbox.tables import Op, Write
from outbox.triggers import trigger_of
from schemas import Change, Contract


class Captured:
    """Every row of the model that is saved or deleted becomes an event of this contract."""

    is_part = False

    def __init__(self, model: type[Model], contract: Contract, options: Options) -> None:
        self.model = model
        self.label = model._meta.label
        self.contract = contract
        self.topic = cast("str", contract.topic)
        self.options = options

    @property
    def capture(self) -> Captured:
        return self

    @property
    def models(self) -> tuple[type[Model], ...]:
        return (self.model,)

    @cached_property
    def payload(self) -> Payload:
        """Made once all models are loaded: a relation takes the type of its target."""
        apps.check_models_ready()
        return payload_of(self.model, self.options)

    @cached_property
    def event(self) -> type[Change[Any]]:
        """The class of the events; consumers find it by type and version."""
        payload = self.payload
        keys = [field for field, column in payload.fields.items() if (column,) == payload.key]
        return event_class(
            Change[payload.state],  # type: ignore[name-defined]
            replace(self.contract, key=keys[0] if keys else None),
            model=self.model,
            place=f"capture({self.label})",
        )

    def follow(self) -> None:
        """See what is done to the rows of the model."""
        if self.by_trigger:
            self.trigger.register(self.model)
        elif self.model._meta.all_parents:
            inheritance.follow(self)
        else:
            tables.follow(self.model, self)

    def unfollow(self) -> None:
        if self.by_trigger:
            self.trigger.unregister(self.model)
        else:
            tables.unfollow(self)

    @cached_property
    def trigger(self) -> Any:
        """A `CaptureTrigger`, for which django-pgtrigger makes migrations."""
        return trigger_of(self)

    @property
    def by_trigger(self) -> bool:
        """Whether the database records the events, and statements are left alone."""
        return self.options.via == "trigger"

    @cached_property
    def deferral(self) -> Deferral | None:
        """What makes events of rows later, where no read and no comparison decides on them."""
        short = self.payload.short
        if short is None or self.options.refresh or self.options.skip_unchanged:
            return None
        return Deferral(self, short)

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.payload.columns

    def moves(self, assigned: Collection[AnyField]) -> bool:
        return any(may_change(column.field, assigned) for column in self.payload.key)

    def needs_before(self, assigned: Collection[AnyField]) -> bool:
        return self.options.needs_before or self.moves(assigned)

    def written(self, writes: Sequence[Write], buffer: Buffer) -> None:
        known = list(self._refreshed(writes) if self.options.refresh else writes)
        # What leaves a key is told first: another row of the statement may have taken it.
        for write in known:
            if write.before:
                buffer.extend(self._gone(write.before, write.after))
        for op, before, after in known:
            if after is None:
                continue
            if op == "create" or (before and self._moved(before, after)):
                buffer.append(self._change("create", after, after=after))
            else:
                buffer.extend(self._updated(before, after))

    def _refreshed(self, writes: Sequence[Write]) -> Iterator[Write]:
        """With the values that triggers have set since the rows were written."""
        pk_of = self.payload.pk_of
        now = self._now([pk_of(write.after) for write in writes if write.after])
        for write in writes:
            yield write._replace(after=write.after and now.get(pk_of(write.after), write.after))

    def _now(self, pks: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], Values]:
        rows = self.payload.read(self.model._meta.pk_fields, pks)
        return {self.payload.pk_of(row): row for row in rows}

    def _gone(self, before: Values, after: Values | None) -> Iterator[Recorded]:
        if after is None or self._moved(before, after):
            yield from self._deleted(before)

    def _updated(self, before: Values | None, after: Values) -> Iterator[Entry]:
        changed = None if before is None else self.payload.changed(before, after)
        if changed == () and self.options.skip_unchanged:
            return
        known = before if self.options.before else None
        yield self._change("update", after, before=known, after=after, changed=changed)

    def _deleted(self, values: Values) -> Iterator[Recorded]:
        row = settled(self._change("delete", values, before=values))
        yield row
        if conf.current().tombstones:
            yield tombstone(row)

    def _moved(self, before: Values, after: Values) -> bool:
        """Whether the row goes by another key now."""
        key_of = self.payload.key_of
        return not self.payload.same_key(before, after) and key_of(before) != key_of(after)

    def _change(
        self,
        op: Op,
        values: Values,
        *,
        before: Values | None = None,
        after: Values | None = None,
        changed: tuple[str, ...] | None = None,
    ) -> Entry:
        """The event of a row, which goes by the key in `values`: made now if that may fail."""
        arguments = (op, values, before, after, changed, headers())
        size = small(self.payload.most(before, after), names=size_of(changed or ()))
        return self._row(*arguments) if size is None else Pending(self._row, arguments, size)

    def _row(
        self,
        op: Op,
        values: Values,
        before: Values | None,
        after: Values | None,
        changed: tuple[str, ...] | None,
        headers: bytes | None,
    ) -> Recorded:
        payload = self.payload
        text = Change.text(
            op,
            before=payload.text_of(before) if before else None,
            after=payload.text_of(after) if after else None,
            changed=changed,
        )
        key = payload.key_of(values)
        return recorded(self.contract, text, topic=self.topic, key=key, headers=headers)
