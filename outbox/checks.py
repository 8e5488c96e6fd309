"""System checks: what would lose or mix up events, said before it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from outbox import conf, database, installation, registration, topics
from outbox.capture import captured_models
from outbox.captured import Captured
from outbox.compilers import foreign_compilers
from outbox.coverage import unique_sets
from outbox.errors import OutboxError
from outbox.links import CapturedLinks, captured_links
from schemas import SchemaError


def register() -> None:
    checks.register(check_settings, Tags.models)
    checks.register(check_engine, Tags.models)
    checks.register(check_topics, Tags.models)
    checks.register(check_captured, Tags.models)
    checks.register(check_links, Tags.models)
    checks.register(check_compilers, Tags.models)
    checks.register(check_sequence, Tags.database)
    checks.register(check_registration, Tags.database)


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    if not conf.has_source():
        yield checks.Warning(
            f"OUTBOX_SOURCE is not set; events say that they come from {conf.current().source!r}.",
            hint='Name this service, such as OUTBOX_SOURCE = "urn:example:shop".',
            id="outbox.W001",
        )
    for name in conf.unknown():
        yield checks.Warning(
            f"{name} is no setting of the outbox.",
            hint=f"Known are {', '.join(sorted(conf.NAMES))}.",
            id="outbox.W002",
        )


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
        if len({each.kind for each in declarations}) > 1:
            yield Error(
                f"Topic {name!r} is for states and for events: {_list(declarations)}.",
                hint="A compacted topic keeps the last record of a key, so an event would replace "
                "the state. Give each its own topic.",
                id="outbox.E002",
            )
        yield from _check_states(name, declarations)
    for name in topics.unused():
        yield checks.Warning(
            f"OUTBOX_TOPICS has {name!r}, on which nothing of this project travels.",
            hint=f"{_meant(name, topics.by_topic())}Give it a kind if it is for others: "
            '{"kind": "events"}, or "state".',
            id="outbox.W011",
        )


def check_captured(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    for captured in captured_models():
        yield from _check_database(captured)
        faults = list(_check_contract(captured))
        yield from faults or _check_key(captured)


def check_links(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    for links in captured_links():
        yield from _check_database(links)
        faults = list(_check_contract(links))
        yield from faults or _check_pairs(links)


def check_compilers(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return [
        checks.Warning(
            f"Something else has changed {name}, Django's compiler of statements that write.",
            hint="Captured models are recorded only if it calls that of Django, and it is passed "
            "over for them if it came first: list 'outbox' before it in INSTALLED_APPS. Try it, "
            "and silence this check.",
            id="outbox.W004",
        )
        for name in foreign_compilers(connections[database.alias()])
    ]


def check_sequence(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> Iterable[CheckMessage]:
    """Runs with `check --database` and with `migrate`."""
    connection = installed(databases)
    cache = installation.sequence_cache(connection) if connection else 1
    if cache != 1:
        yield Error(
            f"The sequence of outbox_event.id has CACHE {cache}: each connection takes a block of "
            "ids, so a later event of a key can get a lower id.",
            hint="ALTER TABLE outbox_event ALTER COLUMN id SET CACHE 1;",
            id="outbox.E004",
        )


def check_registration(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> Iterable[CheckMessage]:
    """Runs with `check --database` and with `migrate`."""
    connection = installed(databases)
    found = list(registration.differences(connection.alias)) if connection else []
    if found:
        yield checks.Warning(
            f"The tables of the outbox are not what this code declares: {'; '.join(found)}.",
            hint="Run manage.py migrate: it writes them, and the publisher reads them.",
            id="outbox.W003",
        )


def installed(databases: Sequence[str] | None) -> BaseDatabaseWrapper | None:
    """The connection to the outbox, if its database is asked about and has the tables."""
    alias = database.alias()
    if alias not in (databases or ()) or connections[alias].vendor != "postgresql":
        return None
    return connections[alias] if installation.has_tables(connections[alias]) else None


def _meant(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.8)
    return f"Did you mean {near[0]!r}? " if near else ""


def _check_states(name: str, declarations: list[topics.Declaration]) -> Iterable[CheckMessage]:
    """Versions of one contract may share a topic, rows of several models may not."""
    states = [each for each in declarations if each.kind == "state" and each.type]
    captured = [each for each in states if each.captured]
    if len(captured) > 1 or len({each.type for each in states}) > 1:
        yield Error(
            f"Topic {name!r} holds the states of several models: {_list(states)}.",
            hint="Rows with the same key would replace each other. Give each model its own topic.",
            id="outbox.E003",
        )


def _check_contract(captured: Captured | CapturedLinks) -> Iterable[CheckMessage]:
    try:
        captured.event  # noqa: B018 - made here at the latest
    except (OutboxError, SchemaError) as fault:
        yield Error(
            f"The events of {captured.label} have no contract: {fault}.",
            hint="Correct the arguments of capture() or capture_links().",
            obj=captured.model,
            id="outbox.E007",
        )


def _check_database(captured: Captured | CapturedLinks) -> Iterable[CheckMessage]:
    alias, outbox = router.db_for_write(captured.model), database.alias()
    if alias != outbox:
        yield Error(
            f"{captured.label} is written in database {alias!r}, but the outbox is in {outbox!r}.",
            hint="One transaction cannot hold both. Route both to the same database.",
            obj=captured.model,
            id="outbox.E005",
        )


def _check_key(captured: Captured) -> Iterable[CheckMessage]:
    key, field = captured.payload.key, captured.payload.key[0].field
    if key == captured.payload.pk:
        return
    if {field.name} not in unique_sets(captured.model):
        yield _key_error(
            captured,
            "is not unique",
            "A compacted topic keeps the last record of a key, so rows would replace each other. "
            'Use key="pk", or a field that is unique by itself.',
        )
    if field.null:
        yield _key_error(
            captured,
            "may be NULL",
            "An event without a key cannot be sent, so a row with NULL there cannot be saved. "
            'Use key="pk", or a field without null=True.',
        )


def _check_pairs(links: CapturedLinks) -> Iterable[CheckMessage]:
    names = {end.field.name for end in links.ends}
    if not any(unique <= names for unique in unique_sets(links.table)):
        ours, theirs = (end.field.name for end in links.ends)
        yield checks.Warning(
            f"Two rows of {links.model._meta.label} may be the same link of {links.label}: when "
            "one of them goes, its event says that the link is removed.",
            hint=f"Let it have UniqueConstraint(fields=[{ours!r}, {theirs!r}], name=...), or let "
            "consumers count how often a link was added and removed.",
            obj=links.model,
            id="outbox.W009",
        )


def _key_error(captured: Captured, fault: str, hint: str) -> CheckMessage:
    return Error(
        f"The events of {captured.label} have the key {captured.payload.key[0].field.name!r}, "
        f"which {fault}.",
        hint=hint,
        obj=captured.model,
        id="outbox.E006",
    )


def _list(declarations: Iterable[topics.Declaration]) -> str:
    return ", ".join(each.by for each in declarations)
