"""Loading moments as the rows hold them, whatever the zone of the session.

Django's own loader takes that zone for the one that Django has set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from psycopg.postgres import types
from psycopg.types.datetime import TimestamptzLoader

from outbox.columns import AnyField

_OID = types["timestamptz"].oid


def loading(
    connection: Any, ours: Iterable[AnyField], djangos: Iterable[AnyField]
) -> Callable[[Any], None] | None:
    """What prepares a cursor for columns of ours, of which Django asks for some; None for none."""
    if not _have_moments(ours, connection):
        return None
    return load_for_django if _have_moments(djangos, connection) else load


def load(cursor: Any) -> None:
    """As psycopg does, in C."""
    cursor.cursor.adapters.register_loader(_OID, TimestamptzLoader)


def load_for_django(cursor: Any) -> None:
    """In the zone that Django wants; without zones, as Django does."""
    zone = cursor.db.timezone
    if zone is not None:
        cursor.cursor.adapters.register_loader(_OID, _loader(zone))


@lru_cache
def _loader(zone: tzinfo) -> type[TimestamptzLoader]:
    class Loader(TimestamptzLoader):
        def load(self, data: Any) -> datetime:
            return super().load(data).astimezone(zone)

    return Loader


def _have_moments(fields: Iterable[AnyField], connection: Any) -> bool:
    """Whether one of the columns holds moments, or arrays or ranges of them."""
    names = [field.db_type(connection) or "" for field in fields]
    return any("timestamp" in name or "tstz" in name for name in names)
