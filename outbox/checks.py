"""System checks: what would lose or mix up events, said before it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db import connections, router

from outbox import conf, database, installation, topics
from outbox.capture import captured_models
from outbox.captured import Captured
from outbox.errors import OutboxError
from schemas import SchemaError


def register() -> None:
    checks.register(check_settings, Tags.models)
    checks.register(check_engine, Tags.models)
    checks.register(check_topics, Tags.models)
    checks.register(check_captured, Tags.models)
    checks.register(check_sequence, Tags.database)


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not conf.has_source():
        found.append(
            checks.Warning(
                f"OUTBOX_SOURCE is not set; events say that they come from "
                f"{conf.current().source!r}.",
                hint='Name this service, such as OUTBOX_SOURCE = "urn:example:shop".',
                id="outbox.W001",
            )
        )
    for name in conf.unknown():
        found.append(
            checks.Warning(
                f"{name} is no setting of the outbox.",
                hint=f"Known are {', '.join(sorted(conf.NAMES))}.",
                id="outbox.W002",
            )
        )
    return found


def check_engine(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    connection = connections[database.alias()]
    if connection.vendor == "postgresql":
        return []
    return [
        Error(
            f"The outbox needs PostgreSQL, but database {connection.alias!r} is "
            f"{connection.display_name} ({connection.vendor}).",
            hint="Use ENGINE='django.db.backends.postgresql', or route app 'outbox' to a "
            "PostgreSQL database with DATABASE_ROUTERS.",
            id="outbox.E001",
        )
    ]


def check_topics(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    for name, declarations in topics.by_topic().items():
        states = [each for each in declarations if each.captured]
        if len({each.kind for each in declarations}) > 1:
            yield Error(
                f"Topic {name!r} is for states and for events: {_list(declarations)}.",
                hint="A compacted topic keeps the last record of a key, so an event would replace "
                "the state. Give each its own topic.",
                id="outbox.E002",
            )
        if len(states) > 1:
            yield Error(
                f"Topic {name!r} holds the states of several models: {_list(states)}.",
                hint="Rows with the same key would replace each other. Give each model its own "
                "topic.",
                id="outbox.E003",
            )


def check_captured(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    for captured in captured_models():
        yield from _check_database(captured)
        try:
            captured.event  # noqa: B018 - made here at the latest
        except (OutboxError, SchemaError) as fault:
            yield Error(
                f"The events of {captured.label} have no contract: {fault}.",
                hint="Correct the arguments of capture().",
                obj=captured.model,
                id="outbox.E007",
            )
        else:
            yield from _check_key(captured)


def check_sequence(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Runs with `check --database` and with `migrate`."""
    alias = database.alias()
    connection = connections[alias]
    if alias not in (databases or ()) or connection.vendor != "postgresql":
        return []
    if not installation.has_tables(connection):
        return []
    cache = installation.sequence_cache(connection)
    if cache == 1:
        return []
    return [
        Error(
            f"The sequence of outbox_event.id has CACHE {cache}: each connection takes a block of "
            "ids, so a later event of a key can get a lower id.",
            hint="ALTER TABLE outbox_event ALTER COLUMN id SET CACHE 1;",
            id="outbox.E004",
        )
    ]


def _check_database(captured: Captured) -> Iterable[CheckMessage]:
    alias, outbox = router.db_for_write(captured.model), database.alias()
    if alias != outbox:
        yield Error(
            f"{captured.label} is written in database {alias!r}, but the outbox is in {outbox!r}.",
            hint="One transaction cannot hold both. Route both to the same database.",
            obj=captured.model,
            id="outbox.E005",
        )


def _check_key(captured: Captured) -> Iterable[CheckMessage]:
    key = captured.payload.key
    if key != captured.payload.pk and not key[0].field.unique:
        yield Error(
            f"The events of {captured.label} have the key {key[0].field.name!r}, which is not "
            "unique.",
            hint="A compacted topic keeps the last record of a key, so rows would replace each "
            'other. Use key="pk", or a field with unique=True.',
            obj=captured.model,
            id="outbox.E006",
        )


def _list(declarations: Iterable[topics.Declaration]) -> str:
    return ", ".join(each.by for each in declarations)
