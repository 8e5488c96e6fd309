"""The database that holds the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.db import connections, router

from outbox.errors import NotInstalled, NotInTransaction, OtherDatabase

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def alias() -> str:
    """The alias that the routers give for writing the outbox."""
    try:
        row = apps.get_model("outbox", "Row")
    except LookupError:
        raise NotInstalled("add 'outbox' to INSTALLED_APPS, and run manage.py migrate") from None
    return router.db_for_write(row)


def in_transaction(connection: BaseDatabaseWrapper) -> bool:
    return connection.in_atomic_block or not connection.get_autocommit()


def require_transaction(connection: BaseDatabaseWrapper, what: str) -> None:
    if not in_transaction(connection):
        raise NotInTransaction(
            f"{what} would be recorded outside a transaction of database "
            f"{connection.alias!r}; open one with django.db.transaction.atomic()"
        )
    if connection.closed_in_transaction:
        raise NotInTransaction(
            f"{what} would be recorded on database {connection.alias!r} whose connection was "
            "closed in the middle of its transaction; leave atomic() and begin again"
        )


def require_outbox(using: str, what: str) -> None:
    """OtherDatabase, with that database's transaction marked for rollback, if not the outbox's."""
    outbox = alias()
    if using == outbox:
        return
    if connections[using].in_atomic_block:
        connections[using].set_rollback(True)
    raise OtherDatabase(
        f"{what} was written in database {using!r}, but the outbox is in {outbox!r}: one "
        "transaction cannot hold both; route the model and app 'outbox' to the same database"
    )
