"""`outbox-publisher run`."""

from __future__ import annotations

import sys

import click
import structlog

from publisher.commands.base import FAILED, WRONG_USAGE, configured
from publisher.config import Config
from publisher.errors import ConfigurationInvalid, PublisherError
from publisher.service import publish
from publisher.telemetry import configure_logs

log = structlog.get_logger("publisher.cli")


@click.command()
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
