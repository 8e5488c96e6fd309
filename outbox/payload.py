"""What an event says about a row of a captured model."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import django
from django.db.models import Model, QuerySet
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic import Field as PydanticField

from outbox.columns import AnyField, Canonical, kind_of, stored
from outbox.errors import InvalidCapture, InvalidPayload, UnsupportedField
from schemas.encoding import key_text

Values = dict[str, Any]

# From 6.0 on, save() brings generated columns back into memory.
_UPDATE_RETURNS_GENERATED = django.VERSION >= (6, 0)


class State(BaseModel):
    """Base of the contracts that are made from models."""

    model_config = ConfigDict(
        frozen=True,
        allow_inf_nan=False,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        validate_by_name=True,
        serialize_by_alias=True,
        protected_namespaces=(),
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A concrete field and how its value becomes canonical."""

    field: AnyField
    canonical: Canonical
    is_pk: bool

    @property
    def name(self) -> str:
        return self.field.attname

    def is_stale(
        self, instance: Model, *, created: bool, raw: bool, update_fields: Collection[str] | None
    ) -> bool:
        """Whether memory may differ from the row that was just saved."""
        field, memory = self.field, instance.__dict__
        if field.attname not in memory or hasattr(memory[field.attname], "resolve_expression"):
            return True
        if self.is_pk:
            return False
        if update_fields is not None:
            return field.name not in update_fields and field.attname not in update_fields
        if field.generated:
            return not created and not _UPDATE_RETURNS_GENERATED
        # A raw save writes the model's own table only, whatever memory holds for its parents.
        concrete = cast("type[Model]", instance._meta.concrete_model)
        return raw and field not in concrete._meta.local_concrete_fields


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

    def of_saved(
        self,
        instance: Model,
        *,
        using: str,
        created: bool,
        raw: bool,
        update_fields: Collection[str] | None,
    ) -> Values:
        """Values as stored: from memory, or with one query where memory may differ from the row."""
        if any(
            column.is_stale(instance, created=created, raw=raw, update_fields=update_fields)
            for column in self.columns
        ):
            return self._read_back(instance, using)
        return self.of_memory(instance)

    def of_memory(self, instance: Model) -> Values:
        """Values of an instance whose row was just written or read in full."""
        return self._canonical(getattr(instance, column.name) for column in self.columns)

    def of_rows(self, rows: QuerySet[Model, Any]) -> list[Values]:
        """Values of rows, read with one query."""
        names = [column.name for column in self.columns]
        return [self._canonical(row) for row in rows.values_list(*names)]

    def state_of(self, values: Values) -> BaseModel:
        """The contract's instance; InvalidPayload names the row and the fields that do not fit."""
        try:
            return self.state.model_validate(
                {name: values[column.name] for name, column in self.fields.items()}, by_name=True
            )
        except ValidationError as exc:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors()
            )
            raise InvalidPayload(
                f"{self.model._meta.label} {self.key_of(values)} does not fit "
                f"{self.state.__qualname__}: {faults}"
            ) from None

    def key_of(self, values: Values) -> str:
        return _key_text([values[column.name] for column in self.key])

    def pk_of(self, values: Values) -> tuple[Any, ...]:
        return tuple(values[column.name] for column in self.pk)

    def pk_of_instance(self, instance: Model) -> tuple[Any, ...]:
        return tuple(column.canonical(getattr(instance, column.name)) for column in self.pk)

    def _canonical(self, row: Iterable[Any]) -> Values:
        values: Values = {}
        for column, value in zip(self.columns, row, strict=True):
            try:
                values[column.name] = column.canonical(value)
            except Exception as exc:
                raise InvalidPayload(
                    f"{self.model._meta.label}.{column.field.name} holds a value that has no "
                    f"canonical form: {exc}; correct it, or exclude the field from capture()"
                ) from exc
        return values

    def _read_back(self, instance: Model, using: str) -> Values:
        pk = {column.name: getattr(instance, column.name) for column in self.pk}
        rows = self.model._base_manager.using(using).filter(**pk)
        for values in self.of_rows(rows):
            return values
        raise InvalidPayload(
            f"{self.model._meta.label} {pk} was saved but cannot be read back through its base "
            "manager; let Meta.base_manager_name name a manager that filters nothing"
        )


def payload_of(
    model: type[Model],
    *,
    key: str = "pk",
    fields: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    contract: type[BaseModel] | None = None,
) -> Payload:
    """The payload of a captured model; InvalidCapture names what does not exist or has no form."""
    if contract is None:
        chosen = _chosen(model, fields, exclude)
        state = _generated(model, chosen)
        named = dict(zip(state.model_fields, chosen, strict=True))
    else:
        state = contract
        named = {name: _field(model, name) for name in contract.model_fields}
    pk = model._meta.pk_fields
    keys = pk if key == "pk" else [_field(model, key)]
    columns = {field: _column(field, pk) for field in (*pk, *keys, *named.values())}
    return Payload(
        model=model,
        state=state,
        fields={name: columns[field] for name, field in named.items()},
        key=tuple(columns[field] for field in keys),
        pk=tuple(columns[field] for field in pk),
        columns=tuple(columns.values()),
    )


def _column(field: AnyField, pk: Collection[AnyField]) -> Column:
    return Column(field=field, canonical=kind_of(field) or stored(field), is_pk=field in pk)


def _field(model: type[Model], name: str) -> AnyField:
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            return field
    known = ", ".join(field.name for field in model._meta.concrete_fields)
    raise InvalidCapture(f"{model._meta.label} has no column for {name!r}; choose from {known}")


def _chosen(
    model: type[Model], fields: Sequence[str] | None, exclude: Sequence[str]
) -> list[AnyField]:
    excluded = [_field(model, name) for name in exclude]
    included = (
        model._meta.concrete_fields
        if fields is None
        else dict.fromkeys(_field(model, name) for name in fields)
    )
    return [field for field in included if field not in excluded]


def _generated(model: type[Model], fields: Iterable[AnyField]) -> type[BaseModel]:
    """A contract with one field for each column, named as the column's attribute."""
    definitions: dict[str, Any] = {}
    for field in fields:
        kind = kind_of(field)
        if kind is None:
            raise UnsupportedField(
                f"{model._meta.label}.{field.name} is a {type(field).__qualname__}, which has no "
                f"canonical form; exclude it, or give capture() a contract that declares its type"
            )
        # Pydantic takes no underscore in front, which order_with_respect_to makes; Django none at
        # the end.
        alias = field.attname if field.attname.startswith("_") else None
        definitions[f"{field.attname.lstrip('_')}_" if alias else field.attname] = (
            (kind.annotation | None, PydanticField(None, alias=alias))
            # The database may compute NULL, whatever the field says.
            if field.null or field.generated
            else (kind.annotation, PydanticField(..., alias=alias))
        )
    with warnings.catch_warnings():
        # A column may be called as a method of pydantic's, such as "copy" or "json".
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute")
        return create_model(
            f"{model.__name__}State", __base__=State, __module__=model.__module__, **definitions
        )


def _key_text(values: Sequence[Any]) -> str:
    if len(values) == 1:
        return key_text(values[0])
    parts = [key_text(value) for value in values]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
