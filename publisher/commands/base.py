"""What the commands have in common: settings, connections and exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import wraps
from typing import Any

import click

from publisher.adapters.clients import Topics, client, client_problems
from publisher.adapters.connection import PATIENCE, Connection, answering, connect
from publisher.config import Config, load

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
