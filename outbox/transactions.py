"""Whether a connection is in a transaction that events can be recorded in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import DEFAULT_DB_ALIAS

from outbox.errors import NotInTransaction

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def in_transaction(connection: BaseDatabaseWrapper) -> bool:
    return connection.in_atomic_block or not connection.get_autocommit()


def require_transaction(connection: BaseDatabaseWrapper, what: str) -> None:
    if connection.in_atomic_block and not connection.closed_in_transaction:
        return
    alias = connection.alias
    if not in_transaction(connection):
        using = "" if alias == DEFAULT_DB_ALIAS else f"using={alias!r}"
        raise NotInTransaction(
            f"{what} would be recorded outside a transaction of database {alias!r}; "
            f"open one with django.db.transaction.atomic({using})"
        )
    if connection.closed_in_transaction:
        raise NotInTransaction(
            f"{what} would be recorded on database {alias!r} whose connection was "
            "closed in the middle of its transaction; leave atomic() and begin again"
        )
