"""A captured model: it follows its table and records its events."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import Any, cast

from django.apps import apps
from django.db.models import Model

from outbox import inheritance, tables
from outbox.buffer import Buffer
from outbox.columns import AnyField
from outbox.payload import Choice, Column, Payload, Values, payload_of
from outbox.recorded import Recorded, recorded, tombstone
from outbox.tables import Write
from schemas import Change, Contract


class Captured:
    """Every row of the model that is saved or deleted becomes an event of this contract."""

    is_part = False

    def __init__(self, model: type[Model], contract: Contract, choice: Choice) -> None:
        self.model = model
        self.label = model._meta.label
        self.contract = contract
        self.topic = cast("str", contract.topic)
        self._choice = choice

    @cached_property
    def payload(self) -> Payload:
        """Made once all models are loaded: a relation takes the type of its target."""
        apps.check_models_ready()
        return payload_of(self.model, self._choice)

    @cached_property
    def event(self) -> type[Change[Any]]:
        """The class of the events; consumers find it by type and version."""
        payload, contract = self.payload, self.contract
        keys = [field for field, column in payload.fields.items() if (column,) == payload.key]
        line = {"type": contract.type, "version": contract.version, "topic": contract.topic}
        # No class that somebody writes is called so: it would take the place of this one.
        place = {"__module__": self.model.__module__, "__qualname__": f"capture({self.label})"}
        made = types.new_class(
            f"{self.model.__name__}Change",
            (Change[payload.state],),  # type: ignore[name-defined]
            {**line, "key": keys[0] if keys else None},
            lambda namespace: namespace.update(place),
        )
        return cast("type[Change[Any]]", made)

    def follow(self) -> None:
        """See what statements do to the rows of the model."""
        if inheritance.parents_of(self.model):
            inheritance.follow(self)
        else:
            tables.follow(self.model, self)

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.payload.columns

    def needs_before(self, assigned: Collection[AnyField]) -> bool:
        return not {column.field for column in self.payload.key}.isdisjoint(assigned)

    def written(self, writes: Sequence[Write], buffer: Buffer) -> None:
        for write in writes:
            for row in self._rows(write):
                buffer.append(row)

    def _rows(self, write: Write) -> Iterator[Recorded]:
        match write:
            case Write(before=dict() as before, after=None):
                yield from self._deleted(before)
            case Write(before=dict() as before, after=dict() as after) if self._moved(
                before, after
            ):
                yield from self._deleted(before)
                yield self._row(after, op="create", after=self.payload.state_of(after))
            case Write(op=op, after=dict() as after):
                yield self._row(after, op=op, after=self.payload.state_of(after))

    def _deleted(self, values: Values) -> tuple[Recorded, Recorded]:
        row = self._row(values, op="delete", before=self.payload.state_of(values))
        return row, tombstone(row)

    def _moved(self, before: Values, after: Values) -> bool:
        """Whether the row goes by another key now."""
        return self.payload.key_of(before) != self.payload.key_of(after)

    def _row(self, values: Values, **change: Any) -> Recorded:
        event = self.event(**change)
        return recorded(event, topic=self.topic, key=self.payload.key_of(values))
