"""`outbox-publisher check`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from publisher import guards
from publisher.adapters import tables
from publisher.adapters.clients import Topics
from publisher.adapters.journal import Journal
from publisher.adapters.pooler import shares_sessions
from publisher.adapters.reasons import journal_forbidden, topic_forbidden, topic_unknown
from publisher.checks import (
    Finding,
    database_findings,
    journal_findings,
    retention_findings,
    topic_findings,
)
from publisher.commands.base import DIFFERENCE, DONE, FAILED, configured, database, topics_of
from publisher.config import Config
from publisher.errors import CredentialsRejected, Unavailable


@click.command()
@configured
def check(config: Config) -> None:
    """Say what would go wrong with this database, these topics and these settings."""
    levels = set()
    for finding in _findings(config):
        levels.add(finding.level)
        click.echo(finding)
    if not levels - {"info"}:
        click.echo("ok")
    sys.exit(FAILED if "error" in levels else DIFFERENCE if "difference" in levels else DONE)


def _findings(config: Config) -> Iterator[Finding]:
    """What is wrong with the database, and with Kafka also where the database is away."""
    inspection = None
    try:
        with database(config) as connection:
            inspection = tables.inspect(connection, config.name)
            pooled = shares_sessions(connection, config.database_url.get_secret_value())
        yield from database_findings(inspection, config.margin)
        yield from retention_findings(
            inspection, config.retention, config.margin, datetime.now(UTC)
        )
        if pooled:
            yield Finding("warning", guards.POOLED)
    except (CredentialsRejected, Unavailable) as exc:
        yield Finding("error", str(exc))
    try:
        with topics_of(config) as kafka:
            if inspection is not None:
                yield from topic_findings(inspection, kafka.describe(inspection.all_topics))
            if config.delivery == "exactly-once":
                mirrored = inspection is not None and inspection.mirrored
                yield from _journal(Journal(config.name), kafka, mirrored=mirrored)
    except Unavailable as exc:
        yield Finding("error", str(exc))


def _journal(journal: Journal, kafka: Topics, *, mirrored: bool) -> Iterator[Finding]:
    """What is wrong with the topic that keeps the position exactly once."""
    topic = journal.topic
    state = kafka.describe([topic])[topic]
    if isinstance(state, int):
        yield from journal_findings(topic, kafka.settings(topic))
    elif state == topic_forbidden(topic):
        yield Finding("error", journal_forbidden(topic))
    elif state != topic_unknown(topic):
        yield Finding("error", state)
    elif mirrored:
        yield Finding("error", str(journal.missing()))
    else:
        yield from journal_findings(topic, None)
