"""The bare producer sends what the publisher would send."""

import subprocess
import sys

from benchmarks.database import record
from local.kafka import Broker
from local.scratch import ROOT
from tests.conftest import MakeTopic
from tests.topics import read_topic


def test_every_row_of_the_backlog_is_sent_once_and_the_seconds_are_told(
    migrated_database_url: str, kafka_broker: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic(partitions=3)
    record(migrated_database_url, topic, 1_500)
    servers = kafka_broker.bootstrap_servers
    command = [sys.executable, "-m", "benchmarks.bare", migrated_database_url, servers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) > 0
    arrived = [dict(each.headers)["ce_id"] for each in read_topic(servers, topic)]
    assert len(arrived) == len(set(arrived)) == 1_500
