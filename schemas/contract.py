"""The identity of an event's shape."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from schemas.errors import InvalidContract

TOPIC_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")

_TYPE_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_LAST_VERSION = 2**31 - 1  # the outbox stores it as a PostgreSQL integer


@dataclass(frozen=True, slots=True)
class Contract:
    """Type name and version of an event, and the topic and key field that it travels by.

    `type` is made of lower case words joined by dots, in which digits, hyphens and underscores may
    stand, `version` counts from 1, `topic` is a name that Kafka accepts, `key` names a field.
    `InvalidContract` says which of them is wrong.
    """

    type: str
    version: int
    topic: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        for name, fits, cure in _RULES:
            if not fits(value := getattr(self, name)):
                owner = "" if name == "type" else f"{self.type}: "
                raise InvalidContract(f"{owner}{name}={value!r} is not {cure}")

    def __str__(self) -> str:
        return f"{self.type} version {self.version}"


def _is_type(value: object) -> bool:
    return isinstance(value, str) and _TYPE_NAME.fullmatch(value) is not None


def _is_version(value: object) -> bool:
    return type(value) is int and 1 <= value <= _LAST_VERSION


def _is_topic(value: object) -> bool:
    return value is None or (isinstance(value, str) and TOPIC_NAME.fullmatch(value) is not None)


def _is_key(value: object) -> bool:
    return value is None or isinstance(value, str)


_RULES: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("type", _is_type, 'a type name; join lower case words by dots, such as "shop.order.placed"'),
    ("version", _is_version, "a version; count 1, 2, 3"),
    ("topic", _is_topic, "a name that Kafka accepts; use up to 249 letters, digits, '.', '_', '-'"),
    ("key", _is_key, 'a name; name a field, such as "order_id"'),
)
