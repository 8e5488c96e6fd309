"""What a column holds: the type that a contract gives it, and the value out of what is stored.

Values are those of the database, before any field of Django's or of others converts them: numbers
have the scale of their column, ranges are as PostgreSQL normalises them, and what a field of others
encrypts or abbreviates stays as it is stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from uuid import UUID

from django.db.models import Field
from django.utils import timezone
from pydantic import BaseModel, ConfigDict

from schemas import values

if TYPE_CHECKING:
    AnyField = Field[Any, Any]
else:
    AnyField = Field
Canonical = Callable[[Any], Any]

T = TypeVar("T")


class Range(BaseModel, Generic[T]):
    """A range of PostgreSQL; None is no bound, and an empty range has neither."""

    model_config = ConfigDict(frozen=True)

    lower: T | None
    upper: T | None
    bounds: Literal["[)", "[]", "(]", "()", "empty"]


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a column in a contract, and what makes a stored value one of it."""

    annotation: Any
    convert: Canonical | None = None
    """None where psycopg's value is what it seems."""

    def __call__(self, value: Any) -> Any:
        return value if value is None or self.convert is None else self.convert(value)


def kind_of(field: AnyField) -> Kind | None:
    """The kind of a model's field; None for a type that has no canonical form here."""
    for name in _names(field):
        if name in _RULES:
            return _RULES[name](field)
    return None


def may_change(field: AnyField, assigned: Iterable[AnyField]) -> bool:
    """Whether an update of some columns of the field's table may give it another value."""
    # By name: a model beside that of the field may have the same table.
    return field.generated or any(each.column == field.column for each in assigned)


def _names(field: AnyField) -> list[str]:
    """Django's own classes that the field derives from, then the column type that it claims."""
    names = [cls.__name__ for cls in type(field).__mro__ if cls.__module__.startswith("django.")]
    if type(field).get_internal_type is not Field.get_internal_type:
        names.append(field.get_internal_type())
    return names


def _is(annotation: Any, convert: Canonical | None = None) -> Callable[[AnyField], Kind]:
    kind = Kind(annotation, convert)
    return lambda field: kind


def _in_utc(value: datetime) -> datetime:
    # In a zone that sets its clocks back, two moments an hour apart are equal in Python.
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:  # USE_TZ is off
        value = timezone.make_aware(value, timezone.get_default_timezone())
    return values.utc(value)


def _array(field: AnyField) -> Kind | None:
    base = kind_of(field.base_field)  # type: ignore[attr-defined]
    if base is None:
        return None
    return Kind(list[base.annotation | None], lambda value: [base(item) for item in value])  # type: ignore[name-defined]


def _range(field: AnyField) -> Kind | None:
    base = kind_of(field.base_field)  # type: ignore[attr-defined]
    if base is None:
        return None

    def convert(value: Any) -> dict[str, Any]:
        bounds = "empty" if value.isempty else value.bounds
        return {"lower": base(value.lower), "upper": base(value.upper), "bounds": bounds}

    return Kind(Range[base.annotation], convert)  # type: ignore[name-defined]


def _of_target(field: AnyField) -> Kind | None:
    target: AnyField = field.target_field  # type: ignore[attr-defined]
    return kind_of(target)


def _of_output(field: AnyField) -> Kind | None:
    output: AnyField = field.output_field  # type: ignore[attr-defined]
    return kind_of(output)


# The most derived name counts: DateTimeField is a DateField too.
_RULES: dict[str, Callable[[AnyField], Kind | None]] = {
    "ForeignKey": _of_target,
    "GeneratedField": _of_output,
    "BooleanField": _is(bool),
    "IntegerField": _is(int),
    "FloatField": _is(float),
    "DecimalField": _is(Decimal),
    "CharField": _is(str),
    "TextField": _is(str),
    "FilePathField": _is(str),
    "FileField": _is(str),
    "GenericIPAddressField": _is(str),
    "UUIDField": _is(UUID),
    "DateTimeField": _is(datetime, _in_utc),
    "DateField": _is(date),
    "TimeField": _is(time),
    "DurationField": _is(timedelta),
    "BinaryField": _is(bytes, bytes),
    "JSONField": _is(Any, json.loads),
    "ArrayField": _array,
    "HStoreField": _is(dict[str, str | None]),
    "RangeField": _range,
}
