"""A captured model: it follows its table and records its events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, cast

from django.apps import apps
from django.db.models import Model

from outbox import conf, inheritance, tables
from outbox.buffer import Buffer
from outbox.columns import AnyField
from outbox.context import headers
from outbox.contracts import event_class
from outbox.options import Options
from outbox.payload import Column, Payload, Values, payload_of
from outbox.pending import LARGEST, Entry, Pending, settled
from outbox.reading import Row
from outbox.recorded import Recorded, recorded, tombstone
from outbox.short import Shape, Short
from outbox.tables import Later, Op, Write
from outbox.triggers import trigger_of
from schemas import Change, Contract

_AROUND = 100
"""Bytes of a change around its states and the names of what changed, at most."""


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

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.payload.columns

    def moves(self, assigned: Collection[AnyField]) -> bool:
        key = [column.field for column in self.payload.key]
        return any(field in assigned or field.generated for field in key)

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

    @cached_property
    def later(self) -> Later | None:
        short = self.payload.short
        return partial(self._later, short) if short and not self.options.refresh else None

    def _later(self, short: Short, row: Row) -> Pending | None:
        shape = short.shape(row)
        size = _small(shape.most(row)) if shape else None
        return None if size is None else Pending(self._created, (shape, row, headers()), size)

    def _created(self, shape: Shape, row: Row, headers: bytes | None) -> Recorded:
        text, key = Change.text("create", after=shape.write(row)), shape.key(row)
        return recorded(self.contract, text, topic=self.topic, key=key, headers=headers)

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
        size = self._most(before, after, changed)
        return self._row(*arguments) if size is None else Pending(self._row, arguments, size)

    def _most(
        self, before: Values | None, after: Values | None, changed: Sequence[str] | None
    ) -> int | None:
        """The most bytes that the event has; None where it may be refused, or is large."""
        names = sum(4 * len(name) + 3 for name in changed) if changed else 0
        return _small(self.payload.most(before, after), and_more=names)

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


def _small(size: int | None, and_more: int = 0) -> int | None:
    """The most bytes of an event with states of this size; None if it is no small one."""
    if size is None:
        return None
    size += _AROUND + and_more
    return size if size <= LARGEST and size <= conf.current().max_event_bytes else None
