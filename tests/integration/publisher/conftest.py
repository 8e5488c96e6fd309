from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from publisher.adapters.connection import Connection, connect
from tests.writers import execute


@pytest.fixture
def connection(migrated_database_url: str) -> Iterator[Connection]:
    """A connection as the publisher opens it."""
    with closing(connect(migrated_database_url, name="test")) as connection:
        yield connection


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
