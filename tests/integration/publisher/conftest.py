from collections.abc import Iterator
from contextlib import closing

import pytest

from publisher.adapters.connection import Connection, connect


@pytest.fixture
def connection(migrated_database_url: str) -> Iterator[Connection]:
    """A connection as the publisher opens it."""
    with closing(connect(migrated_database_url, name="test")) as connection:
        yield connection
