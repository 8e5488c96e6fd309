"""What stands in the outbox, read past Django."""

import json
from typing import Any, NamedTuple

from django.db import connections

from schemas import Event, lookup


class Stored(NamedTuple):
    id: int
    topic: str
    key: str
    type: str
    version: int
    subject: str | None
    value: bytes | None

    @property
    def json(self) -> Any:
        return None if self.value is None else json.loads(self.value)

    @property
    def event(self) -> Event:
        assert self.value is not None
        return lookup(self.type, self.version).model_validate_json(self.value)


def stored(*, using: str = "default", after: int = 0) -> list[Stored]:
    """Every row, by id, or those above one."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT id, topic, convert_from(key, 'UTF8'), type, version, subject, value "
            "FROM outbox_event WHERE id > %s ORDER BY id",
            [after],
        )
        return [
            Stored._make((*columns, None if value is None else bytes(value)))
            for *columns, value in cursor.fetchall()
        ]


def said(*, using: str = "default") -> list[str]:
    """The words of the `Said` events, by id."""
    return [row.json["what"] for row in stored(using=using) if row.type == "test.said"]


def operations(topic: str | None = None) -> list[str]:
    """The operations of the changes, by id; a tombstone is "tombstone"."""
    return [
        "tombstone" if row.value is None else row.json["op"]
        for row in stored()
        if topic in (None, row.topic)
    ]
