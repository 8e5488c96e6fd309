"""A many-to-many relation, seen from one of its sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.db.models import Model
from django.db.models.fields.related_descriptors import ManyToManyDescriptor

from outbox.columns import AnyField
from outbox.errors import InvalidCapture

if TYPE_CHECKING:
    Descriptor = ManyToManyDescriptor[Any, Any]
else:
    Descriptor = ManyToManyDescriptor


@dataclass(frozen=True, slots=True)
class Relation:
    """The relation behind `Order.labels`; `reverse` for `Label.orders`, its other side."""

    field: Any
    reverse: bool

    @classmethod
    def of(cls, descriptor: object) -> Relation:
        """InvalidCapture for what is no many-to-many relation between tables."""
        if not isinstance(descriptor, ManyToManyDescriptor):
            given = getattr(descriptor, "field", descriptor)
            raise InvalidCapture(
                f"{given!r} is no many-to-many relation; name one by the attribute of its model, "
                "such as Order.labels"
            )
        relation = cls(descriptor.rel.field, bool(descriptor.reverse))
        if relation.owner._meta.abstract:
            raise InvalidCapture(
                f"{relation.label} belongs to an abstract model; capture the links of each model "
                "that derives from it"
            )
        return relation

    @property
    def owner(self) -> type[Model]:
        """The model of this side."""
        model = self.field.remote_field.model if self.reverse else self.field.model
        return cast("type[Model]", model)

    @property
    def name(self) -> str:
        rel = self.field.remote_field
        return str(rel.get_accessor_name() if self.reverse else self.field.name)

    @property
    def label(self) -> str:
        return f"{self.owner._meta.label}.{self.name}"

    @property
    def through(self) -> type[Model]:
        return cast("type[Model]", self.field.remote_field.through)

    def ends(self) -> tuple[AnyField, AnyField]:
        """The columns of a link: of this side, and of the other."""
        names = self.field.m2m_field_name(), self.field.m2m_reverse_field_name()
        ours, theirs = map(self.through._meta.get_field, reversed(names) if self.reverse else names)
        if ours.model is not theirs.model:
            raise InvalidCapture(
                f"{self.label} has its two ends in two tables, those of {ours.model._meta.label} "
                f"and {theirs.model._meta.label}; capture {self.through._meta.label} instead"
            )
        return cast("AnyField", ours), cast("AnyField", theirs)
