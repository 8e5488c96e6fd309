"""For the tests of those who use the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Max, Model
from django.db.models.fields.related_descriptors import ManyToManyDescriptor

from outbox import database
from outbox.buffer import buffer_of
from outbox.capture import captured_models
from outbox.errors import InvalidCapture
from outbox.links import captured_links
from outbox.models import Row
from outbox.recorded import COLUMNS, Recorded
from outbox.relation import Descriptor, Relation
from outbox.suppression import is_model
from schemas import Change, Event

_MISSING = object()
_PROPERTIES = (property, cached_property)


class _Recording(list[Recorded]):
    """What was recorded and not rolled back; the tail belongs to the transaction that is open."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self._settled = 0
        self._start = position

    def added(self, row: Recorded, position: int) -> None:
        self.append(row)

    def truncated(self, position: int) -> None:
        del self[self._settled + max(0, position - self._start) :]
        self._start = min(self._start, position)

    def committed(self) -> None:
        self._settled, self._start = len(self), 0


@contextmanager
def captured_events() -> Iterator[list[Recorded]]:
    """The events that the block records, in order, without those that it rolls back.

    Works inside a transaction that never commits, such as a TestCase's, and adds no `on_commit`
    callback. Each entry has `event` (what a consumer decodes; None for a tombstone), `type`,
    `version`, `topic`, `key`, `value`, `extensions` (what the context and the trace
    added). It sees what this thread records. What triggers record is read from the table when the
    block ends, and stands behind the rest.
    """
    buffer = buffer_of(connections[database.alias()])
    recording = _Recording(buffer.position)
    last_id = _last_id()
    buffer.watchers.append(recording)
    try:
        yield recording
    finally:
        buffer.watchers[:] = [each for each in buffer.watchers if each is not recording]
    recording += _by_triggers(last_id)


def _last_id() -> int:
    if not _trigger_topics():
        return 0
    return Row.objects.using(database.alias()).aggregate(last=Max("id"))["last"] or 0


def _by_triggers(last_id: int) -> Iterator[Recorded]:
    """What has come into the table since, without what Django put there."""
    if connections[database.alias()].needs_rollback:
        return
    rows = Row.objects.using(database.alias()).filter(id__gt=last_id, topic__in=_trigger_topics())
    for row in rows.order_by("id"):
        values = (getattr(row, name) for name in COLUMNS)
        yield Recorded._make(map(_as_recorded, values))


def _as_recorded(value: Any) -> Any:
    """What Django loads, as it was before it was written."""
    match value:
        case UUID():
            return value.bytes
        case memoryview():
            return bytes(value)
        case _:
            return value


def _trigger_topics() -> list[str]:
    return [each.topic for each in captured_models() if each.by_trigger]


@contextmanager
def assert_recorded(
    what: type[Event] | type[Model] | Descriptor, /, *, count: int | None = None, **fields: Any
) -> Iterator[list[Event]]:
    """Fail unless the block records events of this class, or changes of this captured model or
    many-to-many relation.

    `count` is how many there must be; without it, at least one. `fields` are values that they
    must have: of the event, or of the row's state after the change (before it, for a delete).
    What was found is in the list that `as` gives, once the block is over. A field that the class
    does not have fails at once, and InvalidCapture names what is not captured.

        with assert_recorded(OrderPlaced, count=1, order_id=order.pk): ...
        with assert_recorded(Order, op="update", number="2"): ...
        with assert_recorded(Order.labels, op="add", owner=1, ids=(2, 3)): ...
    """
    cls = _class_of(what)
    _require_fields(what, cls, fields)
    found: list[Event] = []
    with captured_events() as events:
        yield found
    candidates = [each.event for each in events if not each.is_tombstone]
    same = [event for event in candidates if isinstance(event, cls)]
    found += (event for event in same if _fits(event, fields))
    if len(found) != count if count is not None else not found:
        raise AssertionError(_difference(what, count, fields, found, same, events))


def _class_of(what: object) -> type[Event]:
    if isinstance(what, ManyToManyDescriptor):
        return _class_of_links(Relation.of(what))
    if is_model(what):
        return _class_of_model(what)
    if isinstance(what, type) and issubclass(what, Event):
        return what
    raise InvalidCapture(
        f"{what!r} is no class of events, model or many-to-many relation; pass one, such as "
        "assert_recorded(OrderPlaced), assert_recorded(Order) or assert_recorded(Order.labels)"
    )


def _class_of_model(what: type[Model]) -> type[Event]:
    for captured in captured_models():
        if captured.model is what._meta.concrete_model:
            return captured.event
    raise InvalidCapture(f"{what._meta.label} is not captured; decorate it with outbox.capture()")


def _class_of_links(relation: Relation) -> type[Event]:
    for links in captured_links():
        if links.relation == relation:
            return links.event
    raise InvalidCapture(f"the links of {relation.label} are not captured; use capture_links()")


def _require_fields(
    what: type[Event] | type[Model] | Descriptor, cls: type[Event], fields: dict[str, Any]
) -> None:
    """A name that nothing has would make `count=0` hold whatever is recorded."""
    state = cls.__key_fields__()
    if state is None:  # of a `Change` that says nothing of its state
        return
    known = list(dict.fromkeys([*cls.model_fields, *state]))
    for name in fields:
        if name not in known and not isinstance(getattr(cls, name, None), _PROPERTIES):
            raise AssertionError(
                f"{_name(what)} has no field {name!r}; choose from {', '.join(known)}"
            )


def _fits(event: Event, fields: dict[str, Any]) -> bool:
    return all(_value(event, name) == value for name, value in fields.items())


def _value(event: Event, name: str) -> object:
    holders = (event, event.state) if isinstance(event, Change) else (event,)
    # A column may be called as a method or a property of the event, such as "text" or "state".
    declared = (each for each in holders if name in getattr(type(each), "model_fields", ()))
    holder = next(declared, event)
    return getattr(holder, name, _MISSING)


def _difference(
    what: type[Event] | type[Model] | Descriptor,
    count: int | None,
    fields: dict[str, Any],
    found: list[Event],
    same: list[Event],
    events: list[Recorded],
) -> str:
    wanted = "at least one" if count is None else str(count)
    values = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    of_type = "".join(f"\n  {event!r}" for event in same) or " none"
    others = ", ".join(sorted({each.type for each in events})) or "none"
    return (
        f"expected {wanted} of {_name(what)}({values}), recorded were {len(found)}; of this "
        f"class:{of_type}\nof all types: {others}"
    )


def _name(what: type | Descriptor) -> str:
    return what.__qualname__ if isinstance(what, type) else Relation.of(what).label
