"""The identity of an event's shape."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.errors import InvalidContract

TYPE_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Contract:
    """Type name and version of an event, with the topic and the key field it travels by."""

    type: str
    version: int
    topic: str | None
    key: str | None

    def __post_init__(self) -> None:
        if not isinstance(self.type, str) or not TYPE_NAME.fullmatch(self.type):
            raise InvalidContract(
                f"type={self.type!r} is not a type name; use lower case words joined by dots, "
                'such as "shop.order.placed"'
            )
        if not isinstance(self.version, int) or isinstance(self.version, bool) or self.version < 1:
            raise InvalidContract(
                f"version={self.version!r} of {self.type} is not a version; use 1, 2, 3, ..."
            )
