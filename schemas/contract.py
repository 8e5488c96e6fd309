"""The identity of an event's shape."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.errors import InvalidContract

_TYPE = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_TOPIC = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")
_LAST_VERSION = 2**31 - 1  # the outbox stores it as a PostgreSQL integer


@dataclass(frozen=True, slots=True)
class Contract:
    """Type name and version of an event, and the topic and key field that it travels by.

    `type` is made of lower case words joined by dots, `version` counts from 1, `topic` is a name
    that Kafka accepts, `key` names a field. `InvalidContract` says which of them is wrong.
    """

    type: str
    version: int
    topic: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if not _TYPE.fullmatch(self.type):
            raise InvalidContract(
                f"type={self.type!r} is not a type name; join lower case words by dots, "
                'such as type="shop.order.placed"'
            )
        if type(self.version) is not int or not 1 <= self.version <= _LAST_VERSION:
            raise InvalidContract(
                f"{self.type}: version={self.version!r} is not a version; count 1, 2, 3"
            )
        if self.topic is not None and not _TOPIC.fullmatch(self.topic):
            raise InvalidContract(
                f"{self.type}: topic={self.topic!r} is not a name that Kafka accepts; "
                "use up to 249 letters, digits, dots, underscores and hyphens"
            )

    def __str__(self) -> str:
        return f"{self.type} version {self.version}"
