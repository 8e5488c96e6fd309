"""The servers of the suite; a test that asks for none of these fixtures starts nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Protocol
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

from local.kafka import Broker, kafka
from local.ladder import NothingAvailable
from local.postgres import Postgres, database_name, django_settings, postgres
from local.scratch import ROOT
from tests.needs import unmet
from tests.writers import execute

# How long an example takes is the machine's business.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

_numbers = count(1)


class MakeTopic(Protocol):
    def __call__(
        self,
        name: str = ...,
        partitions: int = ...,
        config: Mapping[str, str] | None = ...,
        *,
        on: Broker | None = ...,
    ) -> str: ...


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """The server that all tests share: nobody stops it (see `private_postgres`)."""
    with postgres(fsync=False) as server:
        yield server


@pytest.fixture
def private_postgres() -> Iterator[Postgres]:
    """A server of the test's own, to stop, kill, freeze or turn into a standby."""
    try:
        with postgres(only="wheel", fsync=False) as server:
            yield server
    except NothingAvailable as why:
        unmet(str(why))


@pytest.fixture
def database_url(postgres_server: Postgres) -> Iterator[str]:
    """An empty database, dropped after the test."""
    with _database(postgres_server) as url:
        yield url


@pytest.fixture
def migrated_database_url(postgres_server: Postgres, migrated_template: str) -> Iterator[str]:
    """A database with every migration of the suite applied, dropped after the test."""
    with _database(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Postgres) -> Iterator[str]:
    """The database that `migrated_database_url` copies."""
    with _database(postgres_server) as url:
        migrate(url)
        yield database_name(url)


@pytest.fixture
def role(migrated_database_url: str) -> Iterator[str]:
    """The name of a role that may log in, by its name as password, and nothing else."""
    name = "role_" + urlsplit(migrated_database_url).path.strip("/")
    execute(migrated_database_url, f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    yield name
    execute(migrated_database_url, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def role_url(migrated_database_url: str, role: str) -> str:
    """The database, as that role."""
    parts = urlsplit(migrated_database_url)
    return parts._replace(netloc=f"{role}:{role}@{parts.hostname}:{parts.port}").geturl()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    postgres_server: Postgres, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Point Django's connections to the shared server."""
    from django.db import connections

    for alias in connections:
        if connections[alias].vendor == "postgresql":
            connections[alias].settings_dict.update(django_settings(postgres_server.url))


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """The broker that all tests share: nobody stops it (see `breakable_broker`)."""
    with kafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def durable_broker(kafka_broker: Broker) -> Broker:
    """The shared broker, where it is Kafka itself: Tansu ignores settings and forgets records."""
    if not kafka_broker.durable:
        unmet(f"{kafka_broker!r} is not Kafka itself: install Java 17 and Maven")
    return kafka_broker


@pytest.fixture
def breakable_broker(_our_broker: Broker) -> Iterator[Broker]:
    """A broker to stop, kill and freeze; it is whole again for the next test.

    It is the shared broker only where that may be broken: make topics `on` it.
    """
    yield _our_broker
    _our_broker.thaw()
    _our_broker.start()


@pytest.fixture(scope="session")
def _our_broker(kafka_broker: Broker) -> Iterator[Broker]:
    if kafka_broker.ours and kafka_broker.durable:
        yield kafka_broker
        return
    try:
        with kafka(only="apache") as broker:
            yield broker
    except NothingAvailable as why:
        unmet(str(why))


@pytest.fixture(scope="module")
def three_brokers() -> Iterator[Broker]:
    """A cluster whose `nodes` can be lost one by one; topics have three replicas."""
    try:
        with kafka(brokers=3) as cluster:
            yield cluster
    except NothingAvailable as why:
        unmet(str(why))


@pytest.fixture
def make_topic(kafka_broker: Broker) -> MakeTopic:
    """Creates a topic on the shared broker or `on` another; its name is new in this run."""

    def make(
        name: str = "topic",
        partitions: int = 1,
        config: Mapping[str, str] | None = None,
        *,
        on: Broker | None = None,
    ) -> str:
        unique = f"{name}.{os.getpid()}.{next(_numbers)}"
        (on or kafka_broker).create_topic(unique, partitions, config)
        return unique

    return make


def migrate(url: str) -> None:
    """Apply every migration in a process of its own, as a deployment does."""
    command = [sys.executable, "-m", "django", "migrate", "--verbosity=0"]
    env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@contextmanager
def _database(server: Postgres, template: str = "template0") -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    url = server.create_database(name, template)
    try:
        yield url
    finally:
        server.drop_database(name)
