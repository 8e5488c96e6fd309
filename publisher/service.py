"""The process that publishes, put together out of the settings."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import structlog

import schemas
from publisher.adapters import postgres
from publisher.adapters.clients import client
from publisher.adapters.journal import Journal
from publisher.adapters.retained import PostgresRetained
from publisher.config import Config
from publisher.health import Health
from publisher.http import Sidecar
from publisher.ports import Broker, Limits, Store
from publisher.relay import Relay
from publisher.retention import Retention
from publisher.stop import Stop

log = structlog.get_logger("publisher.service")

_OBJECTS_PER_COLLECTION = 100_000


def publish(config: Config) -> None:
    """Publish, and prune beside it, until a signal comes."""
    spare_the_collector()
    stop, health = Stop(), Health()
    stop.on_signals()
    sidecar = Sidecar(config.http, health, config.name)
    log.info("started", name=config.name, http=sidecar.address, version=schemas.__version__)
    try:
        with pruning(config, health, stop):
            build_relay(config, health, stop).run(stop)
    finally:
        sidecar.close()
    log.info("stopped", name=config.name, acknowledged=health.acknowledged)


def build_relay(config: Config, health: Health, stop: Stop) -> Relay:
    """Put a relay together out of the settings."""
    return Relay(
        store=make_store(config, health, stop),
        broker=make_broker(config),
        health=health,
        limits=Limits(rows=config.page_rows, bytes=config.page_bytes),
    )


def make_store(config: Config, health: Health, stop: Stop) -> Store:
    """The side of the relay where events wait."""
    return postgres.PostgresStore(
        config.database_url.get_secret_value(),
        name=config.name,
        ending=lambda: stop.hurries,
        waiting=health.turned,
        margin=config.margin,
        keeper="kafka" if config.delivery == "exactly-once" else "database",
        rings=config.wake_up == "notify",
    )


def make_broker(config: Config) -> Broker:
    """The side of the relay where events go."""
    kafka, servers = client(config.kafka_client), config.kafka_bootstrap_servers
    if config.delivery == "exactly-once":
        return kafka.transactions(servers, config.kafka_config, Journal(config.name))
    return kafka.broker(servers, config.kafka_config)


@contextmanager
def pruning(config: Config, health: Health, stop: Stop) -> Iterator[None]:
    """Remove what may go while the block runs, unless the settings say that it stays."""
    horizon = config.retention
    if horizon is None:
        yield
        return
    retention = Retention(
        lambda unwanted: closing(retained(config, horizon, unwanted=unwanted)),
        health=health,
        stop=stop,
        every=config.prune_every.total_seconds(),
    )
    retention.start()
    try:
        yield
    finally:
        retention.end()


def spare_the_collector() -> None:
    """Look for garbage in cycles once in many pages: a page is thousands of objects without any.

    At Python's own threshold of hundreds, a good part of the time went into looking.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_PER_COLLECTION)


def retained(config: Config, horizon: timedelta, **options: Any) -> PostgresRetained:
    """The retained rows of the database of the settings."""
    url = config.database_url.get_secret_value()
    return PostgresRetained(url, name=config.name, horizon=horizon, **options)
