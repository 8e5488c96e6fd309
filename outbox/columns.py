"""The canonical value of one column: what the database holds, whatever memory was given.

The same row gives the same value whether it was just saved or read back: numbers with the scale of
their column, text for what converts to text, moments with a time zone, JSON as jsonb keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from uuid import UUID

from django.db.models import Field
from django.utils import timezone
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    AnyField = Field[Any, Any]
else:
    AnyField = Field
Canonical = Callable[[Any], Any]

T = TypeVar("T")

# From here on Python writes floats with an exponent, which jsonb turns into a whole number.
_EXPONENT = 1e16


class Range(BaseModel, Generic[T]):
    """A range of PostgreSQL; None is no bound, and an empty range has neither."""

    model_config = ConfigDict(frozen=True)

    lower: T | None
    upper: T | None
    bounds: Literal["[)", "[]", "(]", "()", "empty"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column holds: its type in a contract, and what makes a value canonical."""

    annotation: Any
    canonical: Canonical

    def __call__(self, value: Any) -> Any:
        return None if value is None else self.canonical(value)


def kind_of(field: AnyField) -> Kind | None:
    """The kind of a model's field; None for a type that has no canonical form here."""
    for name in _names(field):
        if name in _RULES:
            return _RULES[name](field)
    return None


def stored(field: AnyField) -> Canonical:
    """What the field gives to the database, for types that only a contract of the user's knows."""
    return lambda value: None if value is None else field.get_prep_value(value)


def _names(field: AnyField) -> list[str]:
    """Django's own classes that the field derives from, then the column type that it claims."""
    names = [cls.__name__ for cls in type(field).__mro__ if cls.__module__.startswith("django.")]
    if type(field).get_internal_type is not Field.get_internal_type:
        names.append(field.get_internal_type())
    return names


def _scalar(kind: type, convert: Callable[[Any], Any]) -> Callable[[AnyField], Kind]:
    """A rule for values that are what they seem once they have exactly this type."""

    def rule(field: AnyField) -> Kind:
        prepare, native = field.get_prep_value, _is_native(field)

        def canonical(value: Any) -> Any:
            if native and type(value) is kind:
                return value
            prepared = prepare(value)
            return None if prepared is None else convert(prepared)

        return Kind(kind, canonical)

    return rule


def _is_native(field: AnyField) -> bool:
    return type(field).get_prep_value.__module__.startswith("django.")


def _text(value: Any) -> str:
    # Of a subclass, such as a member of TextChoices, what it is made of; not what it prints.
    return str.__str__(value) if isinstance(value, str) else str(value)


def _to_python(kind: type) -> Callable[[AnyField], Kind]:
    return lambda field: _scalar(kind, field.to_python)(field)


def _decimal(field: AnyField) -> Kind:
    places: int | None = getattr(field, "decimal_places", None)
    context = Context(prec=(getattr(field, "max_digits", None) or 1_000) + 2)

    def canonical(value: Any) -> Any:
        number = field.to_python(field.get_prep_value(value))
        if not number.is_finite():
            return number
        if places is None:
            return Decimal(format(number, "f"))
        # numeric(p, s) rounds half away from zero and knows no negative zero.
        number = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, context)
        return number if number else number.copy_abs()

    return Kind(Decimal, canonical)


def _moment(field: AnyField) -> Kind:
    native = _is_native(field)

    def canonical(value: Any) -> Any:
        if not native:
            value = field.get_prep_value(value)
        if type(value) is not datetime:
            value = field.to_python(value)
        if timezone.is_naive(value):
            value = timezone.make_aware(value, timezone.get_default_timezone())
        return value

    return Kind(datetime, canonical)


def _address(field: AnyField) -> Kind:
    return Kind(str, lambda value: _text(field.get_prep_value(value)))


def _json(field: AnyField) -> Kind:
    encoder = getattr(field, "encoder", None)

    def canonical(value: Any) -> Any:
        return _as_jsonb(json.loads(json.dumps(field.get_prep_value(value), cls=encoder)))

    return Kind(Any, canonical)


def _as_jsonb(value: Any) -> Any:
    match value:
        case dict():
            return {key: _as_jsonb(value[key]) for key in sorted(value)}
        case list():
            return [_as_jsonb(item) for item in value]
        case float() if abs(value) >= _EXPONENT and value not in (float("inf"), float("-inf")):
            return int(Decimal(repr(value)))
        case float():
            return value or 0.0
        case _:
            return value


def _array(field: AnyField) -> Kind | None:
    base = kind_of(field.base_field)  # type: ignore[attr-defined]
    if base is None:
        return None

    def canonical(value: Any) -> Any:
        return [base(item) for item in field.get_prep_value(value)]

    return Kind(list[base.annotation | None], canonical)  # type: ignore[name-defined]


def _mapping(field: AnyField) -> Kind:
    def canonical(value: Any) -> Any:
        prepared: Mapping[str, str | None] = field.get_prep_value(value)
        return {key: prepared[key] for key in sorted(prepared)}

    return Kind(dict[str, str | None], canonical)


def _range(field: AnyField) -> Kind | None:
    base_field = field.base_field  # type: ignore[attr-defined]
    base = kind_of(base_field)
    step = _STEPS.get(base.annotation) if base else None
    if base is None:
        return None

    def canonical(value: Any) -> Any:
        value = field.get_prep_value(value)
        if value.isempty:
            return _EMPTY
        lower, upper = base(value.lower), base(value.upper)
        return _bounded(lower, upper, value.lower_inc, value.upper_inc, step)

    return Kind(Range[base.annotation], canonical)  # type: ignore[name-defined]


def _bounded(lower: Any, upper: Any, low_inc: bool, up_inc: bool, step: Any) -> dict[str, Any]:
    """The form that PostgreSQL gives a range: discrete ones as `[)`, without values as empty."""
    if step and lower is not None and not low_inc:
        lower, low_inc = lower + step, True
    if step and up_inc:
        upper, up_inc = upper + step, False
    if lower is not None and upper is not None and _holds_nothing(lower, upper, low_inc and up_inc):
        return _EMPTY
    bounds = ("[" if low_inc else "(") + ("]" if up_inc else ")")
    return {"lower": lower, "upper": upper, "bounds": bounds}


def _holds_nothing(lower: Any, upper: Any, closed: bool) -> bool:
    return bool(lower >= upper and not (closed and lower == upper))


def _of_target(field: AnyField) -> Kind | None:
    target: AnyField = field.target_field  # type: ignore[attr-defined]
    return kind_of(target)


def _of_output(field: AnyField) -> Kind | None:
    output: AnyField = field.output_field  # type: ignore[attr-defined]
    return kind_of(output)


_EMPTY: dict[str, Any] = {"lower": None, "upper": None, "bounds": "empty"}
_STEPS: dict[Any, Any] = {int: 1, date: timedelta(days=1)}

# The most derived name counts: DateTimeField is a DateField too.
_RULES: dict[str, Callable[[AnyField], Kind | None]] = {
    "ForeignKey": _of_target,
    "GeneratedField": _of_output,
    "BooleanField": _scalar(bool, bool),
    "IntegerField": _scalar(int, int),
    "FloatField": _scalar(float, float),
    "DecimalField": _decimal,
    "CharField": _scalar(str, _text),
    "TextField": _scalar(str, _text),
    "FilePathField": _scalar(str, _text),
    "FileField": _scalar(str, _text),
    "GenericIPAddressField": _address,
    "UUIDField": _to_python(UUID),
    "DateTimeField": _moment,
    "DateField": _to_python(date),
    "TimeField": _to_python(time),
    "DurationField": _to_python(timedelta),
    "BinaryField": _scalar(bytes, bytes),
    "JSONField": _json,
    "ArrayField": _array,
    "HStoreField": _mapping,
    "RangeField": _range,
}
