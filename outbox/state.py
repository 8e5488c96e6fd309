"""The contract of a captured model's state, made from its columns."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Model
from pydantic import BaseModel, ConfigDict, create_model
from pydantic import Field as PydanticField

from outbox.columns import AnyField, kind_of
from outbox.errors import UnsupportedField


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


def state_of(
    model: type[Model], fields: Iterable[AnyField], hashed: Collection[AnyField]
) -> type[BaseModel]:
    """A contract with one field for each column, named as the column's attribute."""
    definitions: dict[str, Any] = {
        _name(field): (
            _annotation(model, field, hashed),
            PydanticField(None if _may_be_null(field) else ..., alias=_alias(field)),
        )
        for field in fields
    }
    with warnings.catch_warnings():
        # A column may be called as a method of pydantic's, such as "copy" or "json".
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute")
        return create_model(
            f"{model.__name__}State", __base__=State, __module__=model.__module__, **definitions
        )


def _annotation(model: type[Model], field: AnyField, hashed: Collection[AnyField]) -> Any:
    kind = kind_of(field)
    if kind is None:
        raise UnsupportedField(
            f"{model._meta.label}.{field.name} is a {type(field).__qualname__}, which has no "
            f"canonical form; exclude it, or give capture() a contract that declares its type"
        )
    annotation = str if field in hashed else kind.annotation
    return annotation | None if _may_be_null(field) else annotation


def _may_be_null(field: AnyField) -> bool:
    # The database may compute NULL, whatever the field says.
    return field.null or field.generated


def _alias(field: AnyField) -> str | None:
    """Pydantic takes no underscore in front, which `order_with_respect_to` makes."""
    return field.attname if field.attname.startswith("_") else None


def _name(field: AnyField) -> str:
    # Django takes none at the end.
    return f"{field.attname.lstrip('_')}_" if _alias(field) else field.attname
