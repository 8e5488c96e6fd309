"""Field types that a contract cannot have, because its own class could not read them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NoReturn

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
    if field.get("serialization_exclude"):
        if field["schema"]["type"] != "default":
            place.refuse("is excluded and has no default: no one could read the event; give it one")
        return
    written, read = field.get("serialization_alias", place.member), _names_read(field, place)
    if written not in read:
        place.refuse(
            f"is written as {written!r} and read as {' or '.join(read) or 'something inside'}; "
            f"use alias={written!r}, which is for both"
        )


def _names_read(field: Node, place: Place) -> list[str]:
    alias = field.get("validation_alias", place.member)
    paths = alias if isinstance(alias, list) else [[alias]]
    paths = paths if isinstance(paths[0], list) else [paths]
    by_name = [place.member] if place.config.get("validate_by_name") else []
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


def _check_polymorphic(node: Node, place: Place) -> None:
    if place.config.get("polymorphic_serialization"):
        place.refuse("is polymorphic, but an event has one shape; use a union of its subclasses")


def _check_json(node: Node, place: Place) -> None:
    place.refuse("is Json, written as JSON but read as text; use the type inside it")


def _check_generator(node: Node, place: Place) -> None:
    place.refuse("can be read once only; use list or tuple")


def _check_callable(node: Node, place: Place) -> None:
    place.refuse("is a callable, which JSON does not have; leave it out of the event")


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
    "model": _check_polymorphic,
    "dataclass": _check_polymorphic,
    "json": _check_json,
    "generator": _check_generator,
    "callable": _check_callable,
}
