"""The command line: the one place where adapters and loop are put together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import wraps
from typing import Concatenate, NoReturn, ParamSpec

import click
import structlog

import schemas
from publisher import checks
from publisher.adapters import kafka_python, postgres, tables
from publisher.adapters.connection import Connection, answering, connect
from publisher.config import Config, load
from publisher.errors import ConfigurationInvalid, PublisherError
from publisher.health import Health
from publisher.http import Sidecar
from publisher.moment import moment_option
from publisher.ports import Backlog, Limits
from publisher.relay import Relay
from publisher.stop import Stop
from publisher.telemetry import configure_logs

log = structlog.get_logger("publisher.cli")

DONE, FAILED, WRONG_USAGE, DIFFERENCE = 0, 1, 2, 3

P = ParamSpec("P")


def configured(
    command: Callable[Concatenate[Config, P], None],
) -> Callable[..., None]:
    """Give a command the settings: flags first, then `PUBLISHER_*` of the environment."""

    @click.option("--database-url", help="PostgreSQL URL [PUBLISHER_DATABASE_URL]")
    @click.option(
        "--kafka-bootstrap-servers", help="host:port,... [PUBLISHER_KAFKA_BOOTSTRAP_SERVERS]"
    )
    @click.option("--name", help="position and lock of this publisher [PUBLISHER_NAME]")
    @wraps(command)
    def with_settings(
        database_url: str | None,
        kafka_bootstrap_servers: str | None,
        name: str | None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        config = load(
            kafka_python.config_problems,
            database_url=database_url,
            kafka_bootstrap_servers=kafka_bootstrap_servers,
            name=name,
        )
        command(config, *args, **kwargs)

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
def run(config: Config, http: str | None) -> None:
    """Publish until SIGTERM; a second signal leaves at once."""
    configure_logs(style=config.log_format, level=config.log_level)
    stop, health = Stop(), Health()
    stop.on_signals()
    sidecar = Sidecar(http or config.http, health, config.name)
    log.info("started", name=config.name, http=sidecar.address, version=schemas.__version__)
    try:
        build_relay(config, health).run(stop)
    finally:
        sidecar.close()
    log.info("stopped", name=config.name, acknowledged=health.acknowledged)


def build_relay(config: Config, health: Health) -> Relay:
    """Put a relay together out of the settings."""
    return Relay(
        store=postgres.PostgresStore(config.database_url.get_secret_value(), name=config.name),
        broker=kafka_python.KafkaPythonBroker(config.kafka_bootstrap_servers, config.kafka_config),
        health=health,
        limits=Limits(rows=config.page_rows, bytes=config.page_bytes),
    )


@commands.command()
@configured
def check(config: Config) -> None:
    """Say what would go wrong with this database, these topics and these settings."""
    with database(config) as connection:
        tables.read_identity(connection)
        tables.read_source(connection)
        inspection = tables.inspect(connection)
    with topics_of(config) as topics:
        states = topics.describe([topic.name for topic in inspection.topics])
    levels = set()
    for finding in checks.findings(inspection, states):
        levels.add(finding.level)
        click.echo(finding)
    if not levels:
        click.echo(f"ok: {len(states)} topics, position {config.name!r}")
    sys.exit(FAILED if "error" in levels else DIFFERENCE if "difference" in levels else DONE)


@commands.group()
def position() -> None:
    """How far publishing has come."""


@position.command()
@configured
def show(config: Config) -> None:
    """Show every position and what is not published yet."""
    with database(config) as connection:
        positions = tables.read_positions(connection)
        for stored in positions:
            backlog = tables.read_backlog(connection, stored.position)
            click.echo(_described(stored, backlog))
    if not positions:
        click.echo("no publisher has run on this database yet")


def _described(stored: tables.StoredPosition, backlog: Backlog) -> str:
    at = stored.position
    inside = f" inside {at.now}, published up to id {at.last_id}" if at.now else ""
    return (
        f"{stored.name}: after {at.prev}{inside}; {backlog.rows} rows wait, the oldest for "
        f"{backlog.seconds:.1f} s; epoch {stored.epoch}, {stored.identity}, "
        f"stored {stored.updated_at.isoformat(timespec='seconds')}"
    )


@position.command()
@click.option(
    "--since",
    required=True,
    callback=moment_option,
    help="publish again what was recorded since: 90s, 30m, 1h, 7d, now, beginning, or a time",
)
@configured
def rebase(config: Config, since: datetime) -> None:
    """Move the position, and adopt the database as it is now.

    The cure after a fail-over or a restore. Consumers see what comes again as repeats.
    """
    with database(config) as connection:
        identity = tables.read_identity(connection)
        tables.read_source(connection)
        if not tables.lock_position(connection, config.name):
            raise PublisherError(
                f"the publisher {config.name!r} is running: stop it, then move its position"
            )
        moved = tables.rebase_position(connection, config.name, identity, since)
        backlog = tables.read_backlog(connection, moved)
    click.echo(f"{config.name}: after {moved.prev}; {backlog.rows} rows will be published")


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
        if missing:
            kafka.create(missing, replication_factor)
    for topic in declared:
        state = states[topic.name]
        text = "created" if topic in missing else f"exists with {state} partitions"
        click.echo(f"{topic.name}: {text} ({topic.kind}, {topic.partitions} partitions declared)")
    if not declared:
        click.echo("the project declares no topic: run `manage.py migrate` after adding captures")


@contextmanager
def database(config: Config) -> Iterator[Connection]:
    """A connection to the database of the settings."""
    connection = connect(config.database_url.get_secret_value(), name=config.name)
    with connection, answering(connection):
        yield connection


@contextmanager
def topics_of(config: Config) -> Iterator[kafka_python.KafkaTopics]:
    """The topics of the cluster of the settings."""
    with closing(
        kafka_python.KafkaTopics(config.kafka_bootstrap_servers, config.kafka_config)
    ) as kafka:
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
