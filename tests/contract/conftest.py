"""A Kafka that asks who may do what."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from local import apache
from local.kafka import Broker as Server
from local.kafka import kafka
from local.ladder import NothingAvailable
from tests.needs import unmet


@pytest.fixture(scope="module")
def strict_server() -> Iterator[Server]:
    """A broker that creates topics by itself and asks who may do what."""
    settings = {
        "auto.create.topics.enable": "true",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    try:
        with patch.dict(apache.SETTINGS, settings), kafka(only="apache") as server:
            yield server
    except NothingAvailable as why:
        unmet(str(why))
