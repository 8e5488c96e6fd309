"""Whether the tables are there: while migrations run, they may not be yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

_migrating: set[str] = set()


def migration_started(*, using: str, **kwargs: object) -> None:
    """Receives `pre_migrate`."""
    _migrating.add(using)


def migration_ended(*, using: str, **kwargs: object) -> None:
    """Receives `post_migrate`."""
    _migrating.discard(using)


def is_complete(connection: BaseDatabaseWrapper) -> bool:
    """False until our own migrations have run; asks the database only while migrations run."""
    return connection.alias not in _migrating or has_tables(connection)


def has_tables(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('outbox_event') IS NOT NULL")
        (found,) = cursor.fetchone()
    return bool(found)


def sequence_cache(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seqcache FROM pg_sequence "
            "WHERE seqrelid = pg_get_serial_sequence('outbox_event', 'id')::regclass"
        )
        (cache,) = cursor.fetchone()
    return int(cache)
