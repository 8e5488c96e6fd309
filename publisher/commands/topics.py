"""`outbox-publisher topics`."""

from __future__ import annotations

import sys

import click

from publisher.adapters import tables
from publisher.adapters.reasons import CREATED, EXISTS
from publisher.commands.base import FAILED, configured, database, topics_of
from publisher.config import Config


@click.group()
def topics() -> None:
    """The topics that the Django project declares."""


@topics.command()
@click.option("--replication-factor", type=int, default=-1, help="[default: the cluster's]")
@configured
def create(config: Config, replication_factor: int) -> None:
    """Create the declared topics that do not exist; others are left as they are."""
    with database(config) as connection:
        tables.read_identity(connection)
        declared = tables.read_topics(connection)
    with topics_of(config) as kafka:
        states = kafka.describe([topic.name for topic in declared])
        missing = [topic for topic in declared if isinstance(states[topic.name], str)]
        created = kafka.create(missing, replication_factor) if missing else {}
    outcomes = [_outcome(states[topic.name], created.get(topic.name)) for topic in declared]
    for topic, outcome in zip(declared, outcomes, strict=True):
        click.echo(
            f"{topic.name}: {outcome} ({topic.kind}, {topic.partitions} partitions declared)"
        )
    if not declared:
        click.echo("the project declares no topic: run `manage.py migrate` after adding captures")
    if any(outcome.startswith("failed") for outcome in outcomes):
        sys.exit(FAILED)


def _outcome(state: int | str, created: str | None) -> str:
    """What became of a topic: its state before, and what Kafka said to creating it."""
    if created is None:
        return f"exists with {state} partitions"
    if created == CREATED:
        return CREATED
    return f"failed: {state if created == EXISTS else created}"
