"""PostgreSQL on this machine: the one that DATABASE_URL names, a container, or a wheel's."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from local.cluster import PASSWORD, SETTINGS, UNSAFE, USER, cluster
from local.container import container, engine_host
from local.ladder import POSTGRES, Rung, Unavailable, Ways, climb
from local.ports import LOOPBACK, free_ports
from local.server import Engine, NotOurs, Server

Kind = Literal["external", "container", "wheel"]
IMAGE = "postgres:17-alpine"


class NotAUrl(Exception):
    """DATABASE_URL is no URL: write postgresql://user:password@host:port/database."""

    def __str__(self) -> str:
        return str(self.__doc__)  # not the value, for it may hold a password


class Postgres(Server):
    """A running PostgreSQL server; `url` names a database that may make others."""

    def __init__(
        self, url: str, kind: Kind, engine: Engine | None = None, data: Path | None = None
    ) -> None:
        super().__init__(engine, lambda: _answers(url))
        self.url = url
        self.kind = kind
        self.data = data

    def __repr__(self) -> str:
        parts = conninfo_to_dict(self.url)
        where = f"{parts.get('host', 'its socket')}:{parts.get('port', 5432)}"
        return f"PostgreSQL at {where} ({self.kind})"

    def create_database(self, name: str, template: str = "template0") -> str:
        """Create a database and return its URL; psycopg.errors.DuplicateDatabase when it exists."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._run(statement.format(sql.Identifier(name), sql.Identifier(template)))
        parts = urlsplit(self.url)
        options = f"?{parts.query}" if parts.query else ""
        return f"{parts.scheme}://{parts.netloc}/{quote(name)}{options}"

    def drop_database(self, name: str) -> None:
        """Drop a database, also one that is connected to."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._run(statement.format(sql.Identifier(name)))

    def become_standby(self) -> None:
        """Restart as a read-only standby; `SELECT pg_promote()` ends that on a new timeline."""
        if self.data is None:
            raise NotOurs(f"The data folder of {self!r} is out of reach.")
        self.stop()
        (self.data / "standby.signal").touch()
        self.start()

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgres(
    *, only: Rung | None = None, fsync: bool = True, settings: Mapping[str, str] | None = None
) -> Iterator[Postgres]:
    """A PostgreSQL server for as long as the block runs; what was started here ends with it.

    `only` allows no other rung; `fsync=False` makes writes cheaper and is safe as long as the
    machine does not crash. A server that the environment names keeps its own `settings`.
    """
    ways: Ways[Postgres] = {
        "external": external,
        "container": partial(contained, fsync=fsync, settings=settings),
        "wheel": partial(embedded, fsync=fsync, settings=settings),
    }
    with climb("PostgreSQL", [only] if only else POSTGRES, ways) as server:
        server.wait(60 if server.ours else 10)
        yield server


def database_name(url: str) -> str:
    """The database that a URL names."""
    return str(conninfo_to_dict(url)["dbname"])


def django_settings(url: str) -> dict[str, object]:
    """What Django's DATABASES wants for a PostgreSQL URL; psycopg.ProgrammingError for no URL."""
    parts = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": parts,
    }


@contextmanager
def external() -> Iterator[Postgres]:
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise Unavailable("DATABASE_URL is not set")
    if not url.startswith(("postgresql://", "postgres://")):
        raise NotAUrl
    yield Postgres(url, "external")


@contextmanager
def contained(*, fsync: bool, settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    host = engine_host()
    [port] = free_ports(1)
    env = {"POSTGRES_USER": USER, "POSTGRES_PASSWORD": PASSWORD}
    command = _inside(fsync=fsync, settings=settings)
    with container(IMAGE, host=host, inside=5432, port=port, env=env, command=command) as engine:
        yield Postgres(_url(host, port), "container", engine)


@contextmanager
def embedded(*, fsync: bool, settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    [port] = free_ports(1)
    with cluster(port, fsync=fsync, settings=settings) as (process, data):
        process.start()
        yield Postgres(_url(LOOPBACK, port), "wheel", process, data)


def _inside(*, fsync: bool, settings: Mapping[str, str] | None = None) -> list[str]:
    """The command of the image."""
    every = SETTINGS | {"listen_addresses": "*"} | ({} if fsync else UNSAFE) | dict(settings or {})
    del every["unix_socket_directories"]  # the image prepares the data folder by such a socket
    return ["postgres", *(word for pair in every.items() for word in ("-c", "=".join(pair)))]


def _url(host: str, port: int) -> str:
    return f"postgresql://{USER}:{PASSWORD}@{host}:{port}/postgres"


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False
