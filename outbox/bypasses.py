"""System checks: ways to change rows of captured models that no capture sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db import models

from outbox import conf
from outbox.capture import captured_models
from outbox.captured import Captured
from outbox.checks import installed
from outbox.coverage import changed_by_database
from outbox.errors import OutboxError
from outbox.links import CapturedLinks, captured_links
from outbox.raw_sql import writes_sql
from schemas import SchemaError

FOREIGN_KEYS = """
    SELECT conname FROM pg_constraint
    WHERE conrelid = to_regclass(%s) AND contype = 'f'
    AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd')) ORDER BY conname
"""
IS_VIEW = "SELECT FROM pg_class WHERE oid = to_regclass(%s) AND relkind IN ('v', 'm', 'f')"


def register() -> None:
    checks.register(check_relations, Tags.models)
    checks.register(check_raw_saves, Tags.models)
    checks.register(check_raw_sql, Tags.models)
    checks.register(check_tables, Tags.database)


def check_relations(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    for captured in _by_statement():
        for name in changed_by_database(captured.model):
            if _matters(captured, name):
                yield Error(
                    f"{captured.label}.{name} is changed by the database when its target is "
                    "deleted, which no capture sees.",
                    hint="Let Django do it: on_delete=CASCADE, SET_NULL or SET_DEFAULT"
                    + _or_by_trigger(captured),
                    obj=captured.model,
                    id="outbox.E008",
                )


def _matters(captured: Captured | CapturedLinks, name: str) -> bool:
    """Whether events are missing when the database changes this relation."""
    field = captured.model._meta.get_field(name)
    on_delete = getattr(field.remote_field, "on_delete", None)
    if on_delete is getattr(models, "DB_CASCADE", ...):
        return True
    try:
        return any(column.field == field for column in captured.columns)
    except (OutboxError, SchemaError):
        return True  # E007 says why nobody knows its columns


def _or_by_trigger(captured: Captured | CapturedLinks) -> str:
    return "." if isinstance(captured, CapturedLinks) else '; or capture with via="trigger".'


def check_raw_saves(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    # Fixtures hold no rows of tables that Django made: their links are set as by a program.
    written = any(not captured.model._meta.auto_created for captured in _captured())
    if written and not conf.current().capture_raw:
        yield checks.Warning(
            "OUTBOX_CAPTURE_RAW is off: what loaddata and other raw saves write of captured "
            "models, and of tables of captured links, is no event.",
            hint="Remove the setting, or silence this check if consumers have those rows already.",
            id="outbox.W005",
        )


def check_raw_sql(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    for captured in _by_statement():
        if methods := writes_sql(captured.model):
            yield checks.Warning(
                f"{captured.label} has methods that write by SQL of their own, which no capture "
                f"sees: {', '.join(methods)}.",
                hint="Write through Django's ORM, or record events with outbox.record()"
                f"{_or_by_trigger(captured)} Silence this check if they write other tables, or "
                "nobody calls them.",
                obj=captured.model,
                id="outbox.W006",
            )


def check_tables(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> Iterable[CheckMessage]:
    """Runs with `check --database` and with `migrate`."""
    connection = installed(databases)
    for captured in _captured() if connection else ():
        for model in (captured.model, *captured.model._meta.all_parents):
            yield from _check_table(connection, captured, model._meta.db_table)


def _captured() -> list[Captured | CapturedLinks]:
    return [*captured_models(), *captured_links()]


def _by_statement() -> list[Captured | CapturedLinks]:
    return [captured for captured in _captured() if not captured.by_trigger]


def _check_table(
    connection: Any, captured: Captured | CapturedLinks, table: str
) -> Iterable[CheckMessage]:
    model = captured.model
    name = connection.ops.quote_name(table)
    with connection.cursor() as cursor:
        cursor.execute(FOREIGN_KEYS, [name])
        keys = [key for (key,) in cursor.fetchall()]
        cursor.execute(IS_VIEW, [name])
        is_view = cursor.rowcount > 0
    if keys and not captured.by_trigger and not changed_by_database(model):
        yield checks.Warning(
            f"PostgreSQL changes rows of {table} when their target is deleted or gets another key, "
            f"which no capture sees: {', '.join(keys)}.",
            # No error: the migration that cures it has to run.
            hint="Make these foreign keys anew without ON DELETE and ON UPDATE, as Django does.",
            obj=model,
            id="outbox.W007",
        )
    if is_view:
        yield checks.Warning(
            f"{table} is a view or a foreign table, whose rows change without {model._meta.label}.",
            hint="Capture the models behind it.",
            obj=model,
            id="outbox.W008",
        )
