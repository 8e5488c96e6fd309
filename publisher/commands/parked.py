"""`outbox-publisher parked`: what is set aside, and what operators ask for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import click

from publisher.adapters import parked_tables, tables
from publisher.adapters.connection import Connection
from publisher.commands.base import FAILED, configured, database
from publisher.config import Config
from publisher.errors import PublisherError
from publisher.set_aside import SetAside


@click.group()
def parked() -> None:
    """Keys and topics that are set aside, so that everything else goes on.

    A key is parked behind a record that Kafka refuses, until it is retried or its record is
    skipped. A topic that cannot be written is held, and resumes by itself.
    """


@parked.command("list")
@configured
def list_parked(config: Config) -> None:
    """Show what is set aside, the oldest first."""
    with database(config) as connection:
        found = _set_aside(connection, config)
    for each in found:
        click.echo(each)
    if not found:
        click.echo("nothing is set aside")


@parked.command("show")
@click.argument("number", type=int)
@configured
def show_parked(config: Config, number: int) -> None:
    """Show one of them with the event that stands first; its payload stays where it is."""
    with database(config) as connection:
        click.echo(_find(_set_aside(connection, config), number).details())


@parked.command("retry")
@click.argument("number", type=int, required=False)
@click.option("--all", "everything", is_flag=True, help="of every key that is parked")
@click.option("--wait", default=30.0, help="seconds to wait for the outcome  [default: 30]")
@configured
def retry_parked(config: Config, number: int | None, everything: bool, wait: float) -> None:
    """Send again what is set aside, in order; what is still refused is set aside again."""
    if (number is None) != everything:
        raise click.UsageError("give a NUMBER of `parked list`, or --all")
    with database(config) as connection:
        found = _set_aside(connection, config)
        chosen = [each for each in found if each.key is not None]
        if number is not None:
            chosen = [_find(found, number)]
        _ask(connection, config, "retry", chosen, wait)


@parked.command("skip")
@click.argument("number", type=int)
@click.option("--wait", default=30.0, help="seconds to wait for the outcome  [default: 30]")
@configured
def skip_parked(config: Config, number: int, wait: float) -> None:
    """Give the first record up, for good, and send what is behind it in order."""
    with database(config) as connection:
        found = _find(_set_aside(connection, config), number)
        if found.key is None:
            raise PublisherError(f"{number} is a topic: mend it, and it resumes by itself")
        _ask(connection, config, "skip", [found], wait)


def _set_aside(connection: Connection, config: Config) -> list[SetAside]:
    tables.read_identity(connection)
    tables.read_source(connection)
    return parked_tables.read_set_aside(connection, config.name)


def _find(found: Sequence[SetAside], number: int) -> SetAside:
    for each in found:
        if each.number == number:
            return each
    numbers = ", ".join(str(each.number) for each in found) or "none"
    raise PublisherError(f"nothing is set aside under number {number}; there is: {numbers}")


def _ask(
    connection: Connection, config: Config, verb: str, chosen: Sequence[SetAside], wait: float
) -> None:
    """Write requests, which the active publisher executes, and say what became of them."""
    if not chosen:
        click.echo("nothing is parked")
    runs = tables.read_holder(connection, config.name) is not None
    if chosen and not runs:
        click.echo(f"no publisher {config.name!r} runs: the first one that does will do it")
    asked = {parked_tables.ask(connection, config.name, verb, each): each for each in chosen}
    deadline = time.monotonic() + (wait if runs else 0.0)
    outcomes = [_outcome_of(connection, request, deadline) for request in asked]
    for each, outcome in zip(asked.values(), outcomes, strict=True):
        click.echo(f"{each.number}: {outcome}")
    if runs and not all(outcome.startswith("published") for outcome in outcomes):
        sys.exit(FAILED)


def _outcome_of(connection: Connection, request: int, deadline: float) -> str:
    while (text := parked_tables.outcome(connection, request)) is None:
        if time.monotonic() >= deadline:
            return "asked for; look at `parked list` later"
        time.sleep(0.2)
    return text
