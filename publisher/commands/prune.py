"""`outbox-publisher prune`."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta

import click

from publisher.adapters import tables
from publisher.commands.base import configured, database
from publisher.config import Config
from publisher.errors import ConfigurationInvalid
from publisher.moment import age_option
from publisher.pruning import Progress, Pruner, report
from publisher.service import retained


@click.command()
@click.option(
    "--older-than",
    callback=age_option,
    help="remove what was recorded before that: 90s, 30m, 1h, 7d [PUBLISHER_RETENTION]",
)
@click.option("--dry-run", is_flag=True, help="say what would be removed, and remove nothing")
@configured
def prune(config: Config, older_than: timedelta | None, dry_run: bool) -> None:
    """Remove rows that every publisher has published and that are old enough, and say what holds
    others back.

    `run` does it by itself. Ranges of rows are removed one by one: it may be ended at any time.
    """
    horizon = config.retention if older_than is None else older_than
    if horizon is None:
        raise ConfigurationInvalid("PUBLISHER_RETENTION is off: say --older-than, such as 7d")
    with closing(retained(config, horizon, dry_run=dry_run)) as rows:
        done = Pruner(rest=_rest, tell=Progress(_tell)).prune(rows)
    with database(config) as connection:
        standings = tables.read_standings(connection)
    for line in report(done, standings, dry_run=dry_run):
        click.echo(line)


def _rest(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _tell(line: str) -> None:
    click.echo(line, err=True)
