"""The database that holds the outbox."""

from __future__ import annotations

from functools import cache

from django.apps import apps
from django.db import connections, router
from django.db.models import Model

from outbox.buffer import spoil
from outbox.errors import NotInstalled, OtherDatabase


def alias() -> str:
    """The alias that the routers give for writing the outbox."""
    return router.db_for_write(_row())


@cache
def _row() -> type[Model]:
    require_installed()
    from outbox.models import Row

    return Row


def require_installed() -> None:
    """NotInstalled if the application is not there: nothing would be recorded."""
    if not apps.is_installed("outbox"):
        raise NotInstalled("add 'outbox' to INSTALLED_APPS, and run manage.py migrate")


def require_outbox(using: str, what: str) -> None:
    """OtherDatabase, with that database's transaction spoiled, if it is not the outbox's."""
    outbox = alias()
    if using == outbox:
        return
    refusal = OtherDatabase(
        f"{what} was written in database {using!r}, but the outbox is in {outbox!r}: one "
        "transaction cannot hold both; route the model and app 'outbox' to the same database"
    )
    spoil(connections[using], refusal)
    raise refusal
