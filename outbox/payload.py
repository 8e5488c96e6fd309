"""What an event says about a row of a captured model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Model
from pydantic import BaseModel, ValidationError

from outbox import keys
from outbox.columns import AnyField, Canonical, kind_of
from outbox.errors import InvalidCapture, InvalidPayload
from outbox.options import Options, Protection
from outbox.reading import Row, links, read
from outbox.sensitive import hashed
from outbox.short import Member, Short
from outbox.state import state_of
from schemas import SchemaError
from schemas.encoding import encode
from schemas.scalars import writer

Values = dict[str, Any]


class Column(NamedTuple):
    """A concrete field, and what makes its stored value canonical; None where it is already."""

    name: str
    field: AnyField
    convert: Canonical | None

    def differs(self, before: Any, after: Any) -> bool:
        """Whether two canonical values are told apart; true and 1 are, in JSON."""
        if before != after or self.convert is not json.loads:
            return bool(before != after)
        return json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The columns that a model's events need, and the contract of its state.

    `fields` maps the names of the contract to columns; values are keyed by column.
    """

    model: type[Model]
    state: type[BaseModel]
    fields: dict[str, Column]
    key: tuple[Column, ...]
    pk: tuple[Column, ...]
    columns: tuple[Column, ...]
    hashed: frozenset[str] = frozenset()
    short: Short | None = None

    def of_row(self, row: Iterable[Any]) -> Values:
        """The canonical values of a row, given in the order of `columns`."""
        values = dict(zip([column.name for column in self.columns], row, strict=True))
        return canonical(self.model._meta.label, self.columns, values)

    def read(
        self, by: Sequence[AnyField], values: Sequence[Row], *, lock: bool = False
    ) -> list[Values]:
        """Values of the rows whose columns `by` have one of the values; a query for each 1,000."""
        fields = [column.field for column in self.columns]
        rows = read(self.model, fields, by=by, values=values, lock=lock)
        return [self.of_row(row) for row in rows]

    def text_of(self, values: Values) -> bytes:
        """The state in canonical JSON."""
        text = self.short.write(self._row(values)) if self.short else None
        return encode(self.state_of(values)) if text is None else text

    def most(self, *states: Values | None) -> int | None:
        """The most bytes of these states and a key; None where one of them may be refused."""
        total = 0
        for values in states:
            if values is not None:
                size = self.short.most(self._row(values)) if self.short else None
                if size is None:
                    return None
                total += size
        return total

    def _row(self, values: Values) -> list[Any]:
        return [values[column.name] for column in self.columns]

    def state_of(self, values: Values) -> BaseModel:
        """The contract's instance; InvalidPayload names the row and the fields that do not fit."""
        try:
            return self.state.model_validate(self._shown(values), by_name=True)
        except ValidationError as exc:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors()
            )
            raise InvalidPayload(
                f"{self.model._meta.label} {self.key_of(values)} does not fit "
                f"{self.state.__qualname__}: {faults}"
            ) from None

    def pk_of(self, values: Values) -> tuple[Any, ...]:
        return tuple(values[column.name] for column in self.pk)

    def same_key(self, one: Values, other: Values) -> bool:
        """Whether the key columns hold the same; what differs may still have the same text."""
        # In JSON, 1 and true are two keys, and equal in Python.
        return all(
            one[name] == other[name] and type(one[name]) is type(other[name])
            for name, _, _ in self.key
        )

    def changed(self, before: Values, after: Values) -> tuple[str, ...]:
        """The names, in the contract, of the columns that hold something else now."""
        columns = self.fields.items()
        return tuple(
            name for name, each in columns if each.differs(before[each.name], after[each.name])
        )

    def _shown(self, values: Values) -> dict[str, Any]:
        shown = {name: values[column.name] for name, column in self.fields.items()}
        for name in self.hashed:
            if shown[name] is not None:
                shown[name] = hashed(shown[name])
        return shown

    def key_of(self, values: Values) -> str:
        """The text of the key; a SchemaError names the model and the field that holds none."""
        try:
            return keys.text_of([values[column.name] for column in self.key])
        except SchemaError as exc:
            names = ", ".join(column.field.name for column in self.key)
            raise type(exc)(f"{self.model._meta.label}: {names}: {exc}") from None


def canonical(label: str, columns: Iterable[Column], values: Values) -> Values:
    """The values, those of these columns converted; InvalidPayload names one that has no form."""
    for name, field, convert in columns:
        value = values[name]
        if value is None or convert is None:
            continue
        try:
            values[name] = convert(value)
        except Exception as exc:
            raise InvalidPayload(
                f"{label}.{field.name} holds a value that has no canonical form: {exc}; "
                "correct it, or exclude the field from capture()"
            ) from exc
    return values


def payload_of(model: type[Model], options: Options) -> Payload:
    """The payload of a captured model; InvalidCapture names what does not exist or has no form."""
    state, named = _chosen(model, options)
    keys = model._meta.pk_fields if options.key == "pk" else [_field(model, options.key)]
    secret = _protected(model, options, "hash")
    _refuse_sensitive_key(model, keys, options)
    found_by = [*model._meta.pk_fields, *_links(model)]
    columns = {field: column_of(field) for field in (*found_by, *keys, *named.values())}
    fields = {name: columns[field] for name, field in named.items()}
    return Payload(
        model=model,
        state=state,
        fields=fields,
        key=tuple(columns[field] for field in keys),
        pk=tuple(columns[field] for field in model._meta.pk_fields),
        columns=tuple(columns.values()),
        hashed=frozenset(name for name, field in named.items() if field in secret),
        short=None if options.contract or secret else _short(state, fields, keys, list(columns)),
    )


def _short(
    state: type[BaseModel],
    fields: dict[str, Column],
    keys: Iterable[AnyField],
    columns: list[AnyField],
) -> Short | None:
    """None where a column has no short way."""
    members = []
    for name, column in fields.items():
        kind, declared = kind_of(column.field), state.model_fields[name]
        write = writer(kind.annotation) if kind else None
        if kind is None or write is None:
            return None
        may_be_null = not declared.is_required()
        index = columns.index(column.field)
        members.append(Member(declared.alias or name, index, kind.annotation, write, may_be_null))
    return Short(members, keys=map(columns.index, keys))


def _refuse_sensitive_key(model: type[Model], keys: Iterable[AnyField], options: Options) -> None:
    for field in keys:
        if not {field.name, field.attname}.isdisjoint(options.sensitive):
            raise InvalidCapture(
                f"{model._meta.label}.{field.name} is the key, which travels in the clear; choose "
                "another key, or leave the field out of sensitive="
            )


def _chosen(model: type[Model], options: Options) -> tuple[type[BaseModel], dict[str, AnyField]]:
    """The contract of the state, and the field behind each name in it."""
    if options.contract is not None:
        names = options.contract.model_fields
        _refuse_dropped(model, options, names)
        return options.contract, {name: _field(model, name) for name in names}
    fields = _fields(model, options)
    if not fields:
        raise InvalidCapture(
            f"{model._meta.label}: {options.choice()} leaves no column for the state; keep one, "
            f'such as fields=["{model._meta.pk_fields[0].name}"]'
        )
    state = state_of(model, fields, _protected(model, options, "hash"))
    return state, dict(zip(state.model_fields, fields, strict=True))


def _refuse_dropped(model: type[Model], options: Options, names: Iterable[str]) -> None:
    dropped = _protected(model, options, "drop")
    for name in names:
        if _field(model, name) in dropped:
            raise InvalidCapture(
                f"{model._meta.label}.{name} is to be dropped, but the contract "
                f"{options.contract.__qualname__ if options.contract else ''} has it; leave it "
                'out of the contract, or hash it: sensitive={...: "hash"}'
            )


def _protected(model: type[Model], options: Options, protection: Protection) -> set[AnyField]:
    return {_field(model, name) for name, how in options.sensitive.items() if how == protection}


def _links(model: type[Model]) -> Iterator[AnyField]:
    """What joins the tables of a child by multi-table inheritance."""
    for parent, link in links(model).items():
        yield from (parent._meta.pk, link)


def column_of(field: AnyField) -> Column:
    kind = kind_of(field)
    return Column(field.attname, field, kind and kind.convert)


def _field(model: type[Model], name: str) -> AnyField:
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            return field
    known = ", ".join(field.name for field in model._meta.concrete_fields)
    raise InvalidCapture(f"{model._meta.label} has no column for {name!r}; choose from {known}")


def _fields(model: type[Model], options: Options) -> list[AnyField]:
    excluded = {_field(model, name) for name in options.exclude}
    excluded |= _protected(model, options, "drop")
    included = (
        model._meta.concrete_fields
        if options.fields is None
        else [_field(model, name) for name in options.fields]
    )
    # Two parents with a parent in common bring its columns twice.
    names = [field.attname for field in included]
    once = [field for at, field in enumerate(included) if field.attname not in names[:at]]
    return [field for field in once if field not in excluded]
