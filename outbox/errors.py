"""What can go wrong between a change and its outbox row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.db.transaction import TransactionManagementError

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class OutboxError(Exception):
    """Root of every error of this package."""


class ShadowedPackage(OutboxError, ImportError):
    """Another package called `schemas` is found before ours."""


class InvalidSetting(OutboxError, ImproperlyConfigured):
    """A setting has a value that cannot be used."""

    def __init__(self, name: str, value: object, cure: str) -> None:
        shown = "..." if value is ... else repr(value)
        super().__init__(f"{name}={shown} cannot be used; {cure}")


class NotInstalled(OutboxError, ImproperlyConfigured):
    """The application is not among INSTALLED_APPS, so nothing would be recorded."""


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


class InvalidCapture(OutboxError):
    """A model cannot be captured in the way it was asked for."""


class UnsupportedField(InvalidCapture):
    """A field of a captured model has no canonical form."""


class InvalidReceiver(OutboxError):
    """A function cannot receive signals for the outbox, or no signal was named."""


class InvalidContext(OutboxError):
    """An attribute of the context cannot be a header."""


class NotAnEvent(OutboxError):
    """What was to be recorded, or a receiver returned, has no contract."""


class NoTopic(OutboxError):
    """The contract of an event names no topic."""


class NotInTransaction(OutboxError):
    """An event was recorded where no transaction is open, so nothing would commit with it."""


class AutocommitRefused(NotInTransaction):
    """A model that records was written outside a transaction, against OUTBOX_AUTOCOMMIT."""


class OtherDatabase(OutboxError):
    """A model was written in another database than the one that holds the outbox."""


class InvalidPayload(OutboxError):
    """The values of a row do not fit the contract of its model."""


class KeyUnknown(OutboxError):
    """A write would change the key of a row, and nothing tells which one it had."""


class EventTooLarge(OutboxError):
    """An event exceeds OUTBOX_MAX_EVENT_BYTES."""


class FlushFailed(OutboxError, DatabaseError):
    """The events of a transaction could not be written, so it must not commit."""


class UnsettledTransaction(OutboxError, TransactionManagementError):
    """Autocommit was switched on while events wait for the commit of a transaction."""


class UnknownSavepoint(OutboxError, TransactionManagementError):
    """A transaction was rolled back to a savepoint that was not set through Django."""
