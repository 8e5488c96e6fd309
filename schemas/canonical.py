"""The serialiser of a contract: pydantic's own, made canonical.

Pydantic leaves some choices open: time zones, NaN, the alphabet of base64, the order of a set. The
schema that it made for a class is rewritten once so that they are fixed, in nested types too,
whatever their own configuration says. The work for each event is then done by pydantic-core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import CoreConfig, SchemaSerializer, to_jsonable_python

from schemas import rules, values
from schemas.rules import Node, Place

_WIRE: CoreConfig = {
    "ser_json_bytes": "base64",
    "ser_json_inf_nan": "constants",
    "ser_json_temporal": "iso8601",
    "ser_json_timedelta": "iso8601",
}
_CHILDREN = {
    *("schema", "lax_schema", "strict_schema", "json_schema", "python_schema", "return_schema"),
    *("items_schema", "keys_schema", "values_schema", "extras_schema"),
    *("fields", "computed_fields", "choices", "steps", "definitions"),
}
_UNTYPED = {"any", "call", "is-instance", "is-subclass", "function-plain"}
_DICTS = {"dict", "frozendict", "ordered-dict", "counter"}
_SAFE_KEYS = {"str", "int", "bool", "uuid", "date", "time", "datetime", "timedelta", "bytes"}


@cache
def serializer(cls: type[BaseModel]) -> SchemaSerializer:
    """Return the canonical serialiser of a class; `InvalidContract` where it cannot have one."""
    if not cls.__pydantic_complete__:
        cls.model_rebuild()
    schema = _rewrite(cast("Node", cls.__pydantic_core_schema__), Place(cls.__name__))
    # The prebuilt serialisers of nested models would bring pydantic's own choices back.
    return SchemaSerializer(cast("Any", schema), _WIRE, _use_prebuilt=False)


def plain(value: Any) -> Any:
    """What a value without a declared type is written as, nested ones included."""
    kind = type(value)
    if kind in _VERBATIM:
        return value
    if kind is list:
        return [plain(item) for item in value]
    if kind is dict:
        return _plain_mapping(value)
    return _plain_other(value)


def _plain_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    if all(type(key) is str for key in value):
        return {key: plain(item) for key, item in value.items()}
    return values.unique(
        value, lambda mapping: {_plain_key(key): plain(item) for key, item in mapping.items()}
    )


def _plain_key(key: object) -> str:
    text = plain(key)
    if isinstance(text, list | dict):
        raise ValueError(f"its key {key!r} has no text; use a string")
    (text,) = to_jsonable_python({text: None})
    return cast("str", text)


def _plain_other(value: Any) -> Any:
    for kinds, write in _PLAIN:
        if isinstance(value, kinds):
            return write(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    return value


def _plain_model(value: BaseModel) -> Any:
    return serializer(type(value)).to_python(value, mode="json", by_alias=True, warnings="error")


def _once(value: object) -> None:
    raise ValueError("it can be read once only; use a list")


_VERBATIM = {str, int, bool, type(None), UUID, date, time}
_PLAIN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: plain(value.value)),
    (Mapping, _plain_mapping),
    (list | tuple, lambda value: [plain(item) for item in value]),
    (AbstractSet, lambda value: values.sort([plain(item) for item in value])),
    (float | Decimal | complex, values.finite),
    (datetime, values.utc),
    (timedelta, values.duration),
    (bytes | bytearray | memoryview, values.base64),
    (BaseModel, _plain_model),
    (Iterator, _once),
)
_LEAVES = {
    "datetime": values.utc,
    "timedelta": values.duration,
    "bytes": values.base64,
    "complex": values.finite,
    **dict.fromkeys(_UNTYPED, plain),
}


def _rewrite(node: Node, place: Place) -> Node:
    place = place.enter(node)
    rules.check(node, place)
    custom = _custom(node, place)
    if custom is not None and custom["type"] == "function-plain":
        return {**node, "serialization": custom}  # nothing below is written
    written = {
        key: _rewrite_child(child, place) if key in _CHILDREN else child
        for key, child in node.items()
    }
    if node["type"] in ("model", "dataclass") or "config" in node:
        written["config"] = {**node.get("config", {}), **_WIRE}
    if _takes_extras(node, place):
        written.setdefault("extras_schema", _rewrite({"type": "any"}, place))
    if serialization := custom or _serialization(written):
        written["serialization"] = serialization
    return written


def _rewrite_child(child: Any, place: Place) -> Any:
    match child:
        case {"type": str()}:
            return _rewrite(child, place)
        case dict():
            return {name: _rewrite_child(each, place.of(name)) for name, each in child.items()}
        case list() | tuple():
            return type(child)(_rewrite_child(each, place) for each in child)
        case _:
            return child


def _takes_extras(node: Node, place: Place) -> bool:
    if node["type"] not in ("model-fields", "typed-dict"):
        return False
    return rules.extra_behavior(node, place) == "allow"


def _serialization(node: Node) -> Node | None:
    kind = node["type"]
    if kind in _LEAVES:
        return _function(_LEAVES[kind])
    if kind in ("set", "frozenset"):
        return _wrapper(values.ordered, node)
    if kind in _DICTS and node.get("keys_schema", {"type": "any"})["type"] not in _SAFE_KEYS:
        return _wrapper(values.unique, node)
    return None


def _custom(node: Node, place: Place) -> Node | None:
    """The serialiser that a class declares: kept, and what it returns made canonical."""
    custom: Node | None = node.get("serialization")
    if custom is None:
        return None
    if custom["type"] not in ("function-plain", "function-wrap"):
        return _function(plain) if custom["type"] == "any" else custom
    returned = _rewrite(custom.get("return_schema", {"type": "any"}), place)
    if custom["type"] == "function-plain":
        return {**custom, "return_schema": returned}
    inner = _rewrite(custom.get("schema") or _bare(node), place)
    return {**custom, "schema": inner, "return_schema": returned}


def _bare(node: Node) -> Node:
    return {key: value for key, value in node.items() if key not in ("serialization", "ref")}


def _function(function: Callable[[Any], Any]) -> Node:
    return {"type": "function-plain", "function": function, "when_used": "json"}


def _wrapper(function: Callable[[Any, Any], Any], written: Node) -> Node:
    schema = _bare(written)
    return {"type": "function-wrap", "function": function, "schema": schema, "when_used": "json"}
