"""`outbox-publisher position`: how far publishing has come, and moving it by hand."""

from __future__ import annotations

from datetime import datetime

import click

from publisher.adapters import tables
from publisher.adapters.connection import Connection
from publisher.commands.base import configured, database
from publisher.config import Config
from publisher.errors import PublisherError
from publisher.guards import Identity
from publisher.moment import moment_option
from publisher.position import Position
from publisher.standing import counted, reached, waiting


@click.group()
def position() -> None:
    """How far publishing has come."""


@position.command()
@configured
def show(config: Config) -> None:
    """Show every position and what is not published yet.

    "after" is the snapshot (xmin:xmax:in progress) of PostgreSQL whose rows are published; the
    epoch counts how often the position was taken over or moved; system and timeline tell the
    database apart from others.
    """
    with database(config) as connection:
        tables.read_identity(connection)
        standings = tables.read_standings(connection)
        ahead = tables.read_backlog(connection, Position())
    for standing in standings:
        click.echo(standing)
    if not standings:
        click.echo(
            "no publisher has run on this database yet: the first one starts at the beginning of "
            f"the table, where {waiting(ahead)}"
        )


@position.command()
@click.option(
    "--since",
    required=True,
    callback=moment_option,
    help="publish again what was recorded since: 90s, 30m, 1h, 7d, now, beginning, or a time",
)
@click.option(
    "--skip-unpublished",
    is_flag=True,
    help="leave out what is not published yet, too, unless it was recorded since",
)
@click.option("--dry-run", is_flag=True, help="say how many rows would be published, move nothing")
@configured
def rebase(config: Config, since: datetime, skip_unpublished: bool, dry_run: bool) -> None:
    """Move the position, and adopt the database as it is now.

    The cure after a fail-over or a restore. Consumers see what comes again as repeats. What is not
    published yet still will be; of a new name, only what was recorded since.
    """
    with database(config, patience=None) as connection:
        identity = tables.read_identity(connection)
        tables.read_source(connection)
        _refuse_running(connection, config.name)
        if not skip_unpublished:
            since = _at_least_the_margin(connection, config, identity, since)
        with connection.transaction(force_rollback=dry_run):
            moved, left_out = tables.rebase_position(
                connection, config.name, identity, since, skip_unpublished=skip_unpublished
            )
            backlog = tables.read_backlog(connection, moved)
    will = "would" if dry_run else "will"
    click.echo(f"{config.name}: {reached(moved)}; {counted(backlog.rows)} {will} be published")
    if left_out:
        click.echo(
            f"{counted(left_out)} recorded before that, which {config.name!r} has not published, "
            f"{will} never be"
        )


def _at_least_the_margin(
    connection: Connection, config: Config, identity: Identity, since: datetime
) -> datetime:
    """On another history, what was recorded since the position was stored may look published."""
    for standing in tables.read_standings(connection):
        if standing.name == config.name and standing.identity != identity:
            return min(since, standing.updated_at - config.republish_margin)
    return since


@position.command()
@click.argument("which", metavar="NAME")
@configured
def remove(config: Config, which: str) -> None:
    """Forget the position of NAME, for a publisher that is not run any more."""
    with database(config) as connection:
        tables.read_identity(connection)
        _refuse_running(connection, which)
        if not tables.remove_position(connection, which):
            names = ", ".join(standing.name for standing in tables.read_standings(connection))
            raise PublisherError(f"there is no position {which!r}; existing: {names or 'none'}")
    click.echo(f"{which}: removed; a publisher of this name would start at the beginning")


def _refuse_running(connection: Connection, name: str) -> None:
    if not tables.lock_position(connection, name):
        raise PublisherError(f"the publisher {name!r} is running: stop it first")
