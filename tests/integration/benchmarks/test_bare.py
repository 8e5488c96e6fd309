"""The bare producer sends what the publisher would send."""

import subprocess
import sys

import pytest

from benchmarks.database import record
from benchmarks.modes import CLIENTS
from local.kafka import Broker
from local.scratch import ROOT
from tests.conftest import MakeTopic
from tests.topics import read_topic


@pytest.mark.parametrize("client", CLIENTS)
def test_every_row_of_the_backlog_is_sent_once_and_the_seconds_are_told(
    client: str, migrated_database_url: str, durable_broker: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic(partitions=3)
    record(migrated_database_url, topic, 1_500)
    servers = durable_broker.bootstrap_servers
    command = [sys.executable, "-m", "benchmarks.bare", client, migrated_database_url, servers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) > 0
    arrived = [dict(each.headers)["ce_id"] for each in read_topic(servers, topic)]
    assert len(arrived) == len(set(arrived)) == 1_500
