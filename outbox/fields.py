"""The column types of PostgreSQL that Django has no field for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    BigAutoField = models.BigAutoField[int, int]
    IntField = models.Field[int, int]
    TextField = models.Field[str | None, str | None]
else:
    # Django's fields take parameters in the stubs only.
    BigAutoField, IntField, TextField = models.BigAutoField, models.Field, models.Field


class IdentityField(BigAutoField):
    """A bigint that only the database assigns, one by one: the order of the outbox."""

    def db_type_suffix(self, connection: BaseDatabaseWrapper) -> str:
        # CACHE above 1 hands out blocks of ids to connections: a later event could get a lower id.
        return "GENERATED ALWAYS AS IDENTITY (CACHE 1)"


class XidField(IntField):
    """The 64-bit id of a transaction."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "xid8"

    def from_db_value(self, value: str | int | None, *args: object) -> int | None:
        return None if value is None else int(value)

    def get_prep_value(self, value: object) -> str | None:
        # xid8 compares with xid8 only; an integer would find no operator.
        return None if value is None else str(value)


class SnapshotField(TextField):
    """Which transactions were visible at a moment: `xmin:xmax:in-progress,...`."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "pg_snapshot"
