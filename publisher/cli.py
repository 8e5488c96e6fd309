"""The command line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, NoReturn

import click
import structlog

import schemas
from publisher import guards
from publisher.adapters import parked_tables, tables
from publisher.adapters.clients import Topics, client, client_problems
from publisher.adapters.connection import PATIENCE, Connection, answering, connect
from publisher.adapters.journal import Journal
from publisher.adapters.pooler import shares_sessions
from publisher.adapters.reasons import (
    CREATED,
    EXISTS,
    journal_forbidden,
    topic_forbidden,
    topic_unknown,
)
from publisher.checks import (
    Finding,
    database_findings,
    journal_findings,
    retention_findings,
    topic_findings,
)
from publisher.config import Config, load
from publisher.errors import (
    ConfigurationInvalid,
    CredentialsRejected,
    PublisherError,
    Unavailable,
)
from publisher.moment import age_option, moment_option
from publisher.position import Position
from publisher.pruning import Progress, Pruner, report
from publisher.service import publish, retained
from publisher.set_aside import SetAside
from publisher.standing import counted, waiting
from publisher.telemetry import configure_logs

log = structlog.get_logger("publisher.cli")

DONE, FAILED, WRONG_USAGE, DIFFERENCE = 0, 1, 2, 3


def configured(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the settings: flags first, then `PUBLISHER_*` of the environment."""

    @click.option("--database-url", help="PostgreSQL URL [PUBLISHER_DATABASE_URL]")
    @click.option(
        "--kafka-bootstrap-servers", help="host:port,... [PUBLISHER_KAFKA_BOOTSTRAP_SERVERS]"
    )
    @click.option("--name", help="position and lock of this publisher [PUBLISHER_NAME]")
    @wraps(command)
    def with_settings(**options: Any) -> None:
        flags = {name: options.pop(name) for name in options.keys() & Config.model_fields.keys()}
        command(load(client_problems, **flags), **options)

    return with_settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(schemas.__version__, prog_name="outbox-publisher")
def commands() -> None:
    """Relay outbox rows from PostgreSQL to Kafka.

    Every setting is an environment variable PUBLISHER_*; flags beat the environment.

    Exit codes: 0 done or stopped politely, 1 failed, 2 wrong usage or configuration,
    3 a difference was found.
    """


@commands.command()
@click.option("--http", help="address of /healthz, /readyz and /metrics [PUBLISHER_HTTP]")
@configured
def run(config: Config) -> None:
    """Publish until SIGTERM; a second signal leaves at once."""
    configure_logs(style=config.log_format, level=config.log_level)
    try:
        publish(config)
    except PublisherError as exc:
        log.error("failed", error=type(exc).__name__, reason=str(exc))
        sys.exit(WRONG_USAGE if isinstance(exc, ConfigurationInvalid) else FAILED)


@commands.command()
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


@commands.group()
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
@click.option("--dry-run", is_flag=True, help="say how many rows would be published, move nothing")
@configured
def rebase(config: Config, since: datetime, dry_run: bool) -> None:
    """Move the position, and adopt the database as it is now.

    The cure after a fail-over or a restore. Consumers see what comes again as repeats.
    """
    with database(config, patience=None) as connection:
        identity = tables.read_identity(connection)
        tables.read_source(connection)
        _refuse_running(connection, config.name)
        with connection.transaction(force_rollback=dry_run):
            moved = tables.rebase_position(connection, config.name, identity, since)
            backlog = tables.read_backlog(connection, moved)
    will = "would" if dry_run else "will"
    click.echo(f"{config.name}: after {moved.prev}; {counted(backlog.rows)} {will} be published")


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


@commands.command()
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


@commands.group()
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


@commands.group()
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


@contextmanager
def database(config: Config, patience: float | None = PATIENCE) -> Iterator[Connection]:
    """A connection to the database of the settings."""
    url = config.database_url.get_secret_value()
    connection = connect(url, name=config.name, patience=patience)
    with closing(connection), answering(connection):
        yield connection


@contextmanager
def topics_of(config: Config) -> Iterator[Topics]:
    """The topics of the cluster of the settings."""
    topics = client(config.kafka_client).topics
    with closing(topics(config.kafka_bootstrap_servers, config.kafka_config)) as kafka:
        yield kafka


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command. An error is a message on standard error and an exit code."""
    try:
        commands.main(args=args, prog_name="outbox-publisher", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(WRONG_USAGE)
    except click.Abort:
        sys.exit(FAILED)
    except ConfigurationInvalid as exc:
        click.echo(str(exc), err=True)
        sys.exit(WRONG_USAGE)
    except PublisherError as exc:
        click.echo(f"{type(exc).__name__}: {exc}", err=True)
        sys.exit(FAILED)
    sys.exit(DONE)


if __name__ == "__main__":
    main()
