"""Unit tests start no server: what needs one belongs to the integration tests."""

from typing import NoReturn

import pytest


@pytest.fixture(scope="session")
def postgres_server() -> NoReturn:
    pytest.fail("A unit test asked for PostgreSQL: move it to tests/integration.", pytrace=False)


@pytest.fixture(scope="session")
def kafka_broker() -> NoReturn:
    pytest.fail("A unit test asked for Kafka: move it to tests/integration.", pytrace=False)
