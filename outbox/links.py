"""Many-to-many relations whose links become events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import Any, Literal, cast

from django.apps import apps
from django.db.models import Model

from outbox import database, tables
from outbox.buffer import Buffer
from outbox.columns import AnyField, kind_of, may_change
from outbox.contracts import contract_of, event_class
from outbox.errors import EventTooLarge, InvalidCapture, UnsupportedField
from outbox.payload import Column, Values, column_of
from outbox.record import as_row
from outbox.recorded import Recorded
from outbox.relation import Descriptor, Relation
from outbox.tables import Write
from schemas import Contract, Links

IDS_PER_EVENT = 1_000

Op = Literal["add", "remove"]
Link = tuple[Any, Any]

_captured: dict[Relation, CapturedLinks] = {}


def capture_links(
    relation: Descriptor,
    *,
    topic: str,
    type: str | None = None,  # noqa: A002 - the word of an event's class line
    version: int = 1,
) -> None:
    """Record a `Links` event whenever links of a many-to-many relation are added or removed.

        outbox.capture_links(Order.labels, topic="shop.order-label-links")

    The events are keyed by the model whose attribute `relation` is, here the order, whichever side
    changes them and however. `topic` is one for events, not compacted; `type` is
    "app_label.model.attribute" by default. Both sides may be captured.

    Raises InvalidCapture for what is no such relation or captured already, and at start for its
    columns; NotInstalled where 'outbox' is not in INSTALLED_APPS; schemas.errors.InvalidContract
    for a type, version or topic that is none.
    """
    database.require_installed()
    found = Relation.of(relation)
    if topic is None:
        raise InvalidCapture(
            f'{found.label} cannot be captured: it needs a topic, such as topic="shop.order-labels"'
        )
    if found in _captured:
        raise InvalidCapture(f"{found.label} cannot be captured: its links are captured already")
    line = contract_of(found.label, type=type, version=version, topic=topic, key="owner")
    captured = CapturedLinks(found, line)
    if apps.models_ready:
        captured.follow()
    _captured[found] = captured


def release(relation: Descriptor) -> None:
    """Capture the links of a relation no longer; for tests."""
    tables.unfollow(_captured.pop(Relation.of(relation)))


def captured_links() -> list[CapturedLinks]:
    return list(_captured.values())


class CapturedLinks:
    """Rows of the relation's table that come or go are told in events of this contract."""

    is_part = False
    deferral = None
    by_trigger = False

    def __init__(self, relation: Relation, contract: Contract) -> None:
        self.relation = relation
        self.label = relation.label
        self.contract = contract
        self.topic = cast("str", contract.topic)

    @property
    def model(self) -> type[Model]:
        return self.relation.through

    @property
    def table(self) -> type[Model]:
        """The model whose table holds both ends; `model` may be a proxy or a child of it."""
        return self.ends[0].field.model

    @property
    def models(self) -> tuple[type[Model], ...]:
        return self.relation.through, self.relation.owner

    @property
    def capture(self) -> CapturedLinks:
        return self

    @cached_property
    def ends(self) -> tuple[Column, Column]:
        """Columns with the keys of this side and of the other."""
        ours, theirs = self.relation.ends()
        return column_of(ours), column_of(theirs)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        pk = map(column_of, self.table._meta.pk_fields)
        return tuple({column.field: column for column in (*self.ends, *pk)}.values())

    @cached_property
    def event(self) -> type[Links[Any, Any]]:
        """The class of the events; consumers find it by type and version."""
        owner, other = map(self._annotation, self.ends)
        return event_class(
            Links[owner, other],  # type: ignore[valid-type]
            self.contract,
            model=self.relation.owner,
            place=f"capture_links({self.label})",
        )

    def follow(self) -> None:
        """See what statements do to the relation's table; idempotent."""
        tables.follow(self.table, self)

    def moves(self, assigned: Collection[AnyField]) -> bool:
        return any(may_change(end.field, assigned) for end in self.ends)

    def needs_before(self, assigned: Collection[AnyField]) -> bool:
        return self.moves(assigned)

    def written(self, writes: Sequence[Write], buffer: Buffer) -> None:
        # An update whose row before is not known assigned neither end.
        known = [write for write in writes if write.op != "update" or write.before]
        links = [(self._link(before), self._link(after)) for _, before, after in known]
        moved = [(old, new) for old, new in links if old != new]
        # What goes is told first: another row of the statement may be the same link.
        gone = self._rows("remove", (old for old, _ in moved))
        there = self._rows("add", (new for _, new in moved))
        for row in chain(gone, there):
            buffer.append(row)

    def _link(self, values: Values | None) -> Link | None:
        """The two ends of a row, None where one of them is missing."""
        if values is None:
            return None
        ours, theirs = (values[end.name] for end in self.ends)
        return None if ours is None or theirs is None else (ours, theirs)

    def _rows(self, op: Op, links: Iterable[Link | None]) -> Iterator[Recorded]:
        found: defaultdict[Any, list[Any]] = defaultdict(list)
        for owner, other in filter(None, links):
            found[owner].append(other)
        for owner, others in found.items():
            ids = iter(sorted(others))
            while some := tuple(islice(ids, IDS_PER_EVENT)):
                yield from self._fitting(op, owner, some)

    def _fitting(self, op: Op, owner: Any, ids: tuple[Any, ...]) -> Iterator[Recorded]:
        """One event, or several where one would be too large."""
        try:
            row = as_row(self.event(op=op, owner=owner, ids=ids))
        except EventTooLarge:
            half = len(ids) // 2
            if not half:
                raise
            yield from self._fitting(op, owner, ids[:half])
            yield from self._fitting(op, owner, ids[half:])
        else:
            yield row

    def _annotation(self, end: Column) -> Any:
        kind = kind_of(end.field)
        if kind is None:
            raise UnsupportedField(
                f"{self.label} cannot be captured: {self.model._meta.label}.{end.field.name} "
                "holds keys of a type that has no canonical form; derive their field from one of "
                "Django's"
            )
        return kind.annotation
