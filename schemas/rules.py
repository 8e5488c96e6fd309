"""Field types that a contract cannot have, because its own class could not read them back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NoReturn

from pydantic import BaseModel, PydanticSchemaGenerationError

from schemas.errors import InvalidContract

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a schema a node stands, and the configuration that holds there."""

    owner: str
    member: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    def enter(self, node: Node) -> Place:
        if node["type"] in ("model", "dataclass"):
            return Place(node["cls"].__name__, config=node.get("config", {}))
        name = node.get("name", self.member) if node["type"].endswith("-field") else self.member
        return replace(self, member=name, config=node.get("config", self.config))

    def of(self, member: object) -> Place:
        return replace(self, member=str(member))

    def refuse(self, reason: str) -> NoReturn:
        raise InvalidContract(f"{self.owner}.{self.member}".rstrip(".") + f" {reason}")


def check(node: Node, place: Place) -> None:
    """Raise `InvalidContract` if what the node writes could not be read back."""
    if "serialization" in node:
        _check_secret(node["serialization"], place)
    elif rule := _RULES.get(node["type"]):
        rule(node, place)


def _check_field(field: Node, place: Place) -> None:
    """A field may have one name in JSON and another in Python, and may be left out of JSON."""
    never = bool(field.get("serialization_exclude") or field.get("init_only"))
    if (never or "serialization_exclude_if" in field) and not _may_be_absent(field):
        place.refuse(
            f"{'is' if never else 'may be'} excluded and has no default: "
            "no one could read the event; give it one"
        )
    if not never:
        _check_name(field, place)


def _may_be_absent(field: Node) -> bool:
    return field["schema"]["type"] == "default" or field.get("required") is False


def _check_name(field: Node, place: Place) -> None:
    written, read = field.get("serialization_alias", place.member), _names_read(field, place)
    if written not in read:
        by_alias = f"use alias={written!r}, which is for both"
        cure = by_alias if _reads_aliases(place) else "drop validate_by_alias=False"
        place.refuse(
            f"is written as {written!r} and read as {' or '.join(read) or 'something inside'}; "
            f"{cure}"
        )


def _reads_aliases(place: Place) -> bool:
    return place.config.get("validate_by_alias") is not False


def _names_read(field: Node, place: Place) -> list[str]:
    alias = field.get("validation_alias")
    by_name = [place.member] if alias is None or place.config.get("validate_by_name") else []
    if alias is None or not _reads_aliases(place):
        return by_name
    paths = alias if isinstance(alias, list) else [[alias]]
    paths = paths if isinstance(paths[0], list) else [paths]
    return [path[0] for path in paths if len(path) == 1] + by_name


def _check_secret(serialization: Node, place: Place) -> None:
    function = serialization.get("function")
    if getattr(function, "__name__", "").startswith("_serialize_secret"):
        place.refuse("is a secret, written as asterisks; leave it out of the event")


def _check_bytes(node: Node, place: Place) -> None:
    if place.config.get("val_json_bytes") != "base64":
        place.refuse(
            "is bytes, written as base64, but its class reads UTF-8; derive the class from Event "
            'or set ConfigDict(ser_json_bytes="base64", val_json_bytes="base64") in it'
        )


def _check_literal(node: Node, place: Place) -> None:
    _check_choices(node["expected"], place)


def _check_enum(node: Node, place: Place) -> None:
    _check_choices([member.value for member in node["members"]], place)


def _check_choices(choices: Iterable[object], place: Place) -> None:
    for choice in choices:
        if not _is_scalar(choice):
            place.refuse(f"may be {choice!r}, which JSON does not give back; use a string for it")


def _is_scalar(choice: object) -> bool:
    if isinstance(choice, Enum) and not isinstance(choice, str | int):
        return False
    return choice is None or isinstance(choice, str | int | float)


def _check_mapping(node: Node, place: Place) -> None:
    keys = node.get("keys_schema", {"type": "any"})
    if keys["type"] in _NO_KEYS or not _is_text(keys):
        place.refuse(
            "has keys that JSON does not give back, as its keys are text; use str for them"
        )


def _is_text(keys: Node) -> bool:
    if keys["type"] == "literal":
        return all(isinstance(value, str) for value in keys["expected"])
    if keys["type"] == "enum" and keys.get("sub_type") != "int":
        return all(isinstance(member.value, str) for member in keys["members"])
    return True


def _check_class(node: Node, place: Place) -> None:
    if place.config.get("polymorphic_serialization"):
        place.refuse("is polymorphic, but an event has one shape; use a union of its subclasses")
    # A validator may stand between a class and its fields: it could remove what was computed.
    for computed in node["schema"].get("computed_fields", ()):
        if (extra := extra_behavior(node["schema"], place)) in ("allow", "forbid"):
            place.of(computed["property_name"]).refuse(
                f"is computed and written, but extra={extra!r} keeps its class from reading it "
                "back; use extra='ignore', or leave it out of the event"
            )


def extra_behavior(node: Node, place: Place) -> str | None:
    """What the fields of a class do with members that are none of them."""
    return node.get("extra_behavior") or place.config.get("extra_fields_behavior")


def _check_json(node: Node, place: Place) -> None:
    place.refuse("is Json, written as JSON but read as text; use the type inside it")


def _check_generator(node: Node, place: Place) -> None:
    place.refuse("can be read once only; use list or tuple")


def _check_callable(node: Node, place: Place) -> None:
    place.refuse("is a callable, which JSON does not have; leave it out of the event")


def unknown_type(cls: type[BaseModel], error: PydanticSchemaGenerationError) -> InvalidContract:
    """What pydantic's `error` says about a class with a field of a type that it does not know."""
    found = _UNKNOWN_TYPE.search(str(error))
    if found is None:
        return InvalidContract(f"{cls.__qualname__}: {error}")
    fields = cls.__pydantic_fields__.items()
    member = next((f".{name}" for name, field in fields if found[1] in repr(field.annotation)), "")
    kind = found[1].rpartition(".")[2]
    return InvalidContract(
        f"{cls.__qualname__}{member} holds {kind}, which JSON has no form for; send its key, such "
        f"as {kind.lower()}_id: int, or a pydantic model of its fields"
    )


_UNKNOWN_TYPE = re.compile(r"schema for (?:<class ')?(.+?)(?:'>)?\. Set ")
_NO_KEYS = {"nullable", "none", "tuple", "named-tuple", "list", "typed-dict", "model", "dataclass"}
_RULES = {
    "model-field": _check_field,
    "typed-dict-field": _check_field,
    "dataclass-field": _check_field,
    "bytes": _check_bytes,
    "literal": _check_literal,
    "enum": _check_enum,
    "dict": _check_mapping,
    "frozendict": _check_mapping,
    "ordered-dict": _check_mapping,
    "counter": _check_mapping,
    "model": _check_class,
    "dataclass": _check_class,
    "json": _check_json,
    "generator": _check_generator,
    "callable": _check_callable,
}
