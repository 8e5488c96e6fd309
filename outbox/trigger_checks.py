"""System checks of models that are captured with via="trigger"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db.models import Model

from outbox.capture import captured_models
from outbox.captured import Captured
from outbox.checks import installed
from outbox.columns import AnyField
from outbox.errors import OutboxError
from schemas import SchemaError

HASH = """
    SELECT obj_description(oid), tgenabled FROM pg_trigger
    WHERE tgname = %s AND tgrelid = to_regclass(%s)
"""
OURS = """
    SELECT tgname FROM pg_trigger
    WHERE starts_with(tgname, 'pgtrigger_0_outbox_') AND tgrelid = to_regclass(%s)
    AND tgenabled <> 'D' ORDER BY tgname
"""


def register() -> None:
    checks.register(check_pgtrigger, Tags.models)
    checks.register(check_triggers, Tags.models)
    checks.register(check_installed, Tags.database)


def check_pgtrigger(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    labels = [captured.label for captured in _by_trigger()]
    if labels and not apps.is_installed("pgtrigger"):
        yield Error(
            f"'pgtrigger' is not in INSTALLED_APPS, so no migration makes the triggers that "
            f"capture {', '.join(labels)}.",
            hint="Add it, and run makemigrations and migrate.",
            id="outbox.E009",
        )


def check_triggers(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    for captured in _by_trigger():
        for fault in _faults(captured):
            yield Error(
                f'{captured.label} cannot be captured with via="trigger": {fault}.',
                hint="Exclude the column, choose another key, or leave out via=.",
                obj=captured.model,
                id="outbox.E010",
            )


def check_installed(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> Iterable[CheckMessage]:
    """Runs with `check --database` and with `migrate`."""
    connection = installed(databases)
    if connection is None:
        return
    for captured in _by_trigger():
        if fault := _fault_in_database(connection, captured):
            yield checks.Warning(
                f"The trigger that captures {captured.label} {fault}.",
                hint="Run makemigrations and migrate; a trigger that somebody has switched off is "
                "switched on by manage.py pgtrigger enable.",
                obj=captured.model,
                id="outbox.W010",
            )
    for captured in captured_models():
        for name in _left_over(connection, captured):
            yield checks.Warning(
                f"{captured.label} is recorded once more by the trigger {name}, which is left in "
                f"database {connection.alias!r}.",
                hint="Run makemigrations and migrate, or manage.py pgtrigger prune.",
                obj=captured.model,
                id="outbox.W010",
            )


def _by_trigger() -> list[Captured]:
    return [captured for captured in captured_models() if captured.by_trigger]


def _faults(captured: Captured) -> Iterator[str]:
    from outbox.trigger import Body

    try:
        key = captured.payload.key
    except (OutboxError, SchemaError):
        return  # E007 says why
    yield from Body(captured).faults()
    if key != captured.payload.pk and _may_be_taken_twice(captured.model, key[0].field):
        yield f"the key {key[0].field.name} may be taken twice until the transaction ends"


def _may_be_taken_twice(model: type[Model], key: AnyField) -> bool:
    """Whether the key is unique, but by constraints only that are deferrable."""
    meta = model._meta
    constraints = [
        each
        for each in meta.total_unique_constraints
        if set(each.fields) <= {key.name, key.attname}
    ]
    others = any(
        {meta.get_field(name) for name in names} == {key} for names in meta.unique_together
    )
    is_deferrable = bool(constraints) and all(each.deferrable for each in constraints)
    return is_deferrable and not (key.unique or others)


def _fault_in_database(connection: Any, captured: Captured) -> str | None:
    trigger = captured.trigger
    name, table = trigger.get_pgid(captured.model), captured.model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [connection.ops.quote_name(table)])
        if cursor.fetchone() == (None,):
            return None  # the migration that makes it has not run
        cursor.execute(HASH, [name, connection.ops.quote_name(table)])
        found = cursor.fetchone()
    if found is None:
        return f"is missing in database {connection.alias!r}"
    if any(_faults(captured)):
        return None  # E010 says why it cannot be rendered
    if found[0] != trigger.compile(captured.model).hash:
        return f"is an older one in database {connection.alias!r}"
    return None if found[1] in ("O", "A") else f"is switched off in database {connection.alias!r}"


def _left_over(connection: Any, captured: Captured) -> list[str]:
    """Triggers of ours on the table that are not the one of the code."""
    table = connection.ops.quote_name(captured.model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(OURS, [table])
        names = [name for (name,) in cursor.fetchall()]
    expected = captured.trigger.get_pgid(captured.model) if captured.by_trigger else None
    return [name for name in names if name != expected]
