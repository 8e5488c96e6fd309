"""What can go wrong between a change and its outbox row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class OutboxError(Exception):
    """Root of every error of this package."""


class UnsupportedDatabase(OutboxError):
    """The outbox is on a database that is not PostgreSQL."""

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper) -> UnsupportedDatabase:
        return cls(
            f"the outbox needs PostgreSQL, but database {connection.alias!r} is "
            f"{connection.display_name} ({connection.vendor}); use "
            "ENGINE='django.db.backends.postgresql', or let a router in DATABASE_ROUTERS keep "
            "app 'outbox' out of this database"
        )
