"""The profile is that of the loop itself, and it is complete."""

import json
import subprocess
import sys

import pytest

from benchmarks.database import record
from benchmarks.modes import MODES, Mode
from benchmarks.process import new_name
from benchmarks.profiled import figures
from local.kafka import Broker
from local.scratch import ROOT
from tests.conftest import MakeTopic
from tests.topics import read_topic

EVENTS = 9_000


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_every_event_is_relayed_once_and_the_parts_of_its_time_are_told(
    mode: Mode, migrated_database_url: str, durable_broker: Broker, make_topic: MakeTopic
) -> None:
    topic, servers = make_topic(partitions=3), durable_broker.bootstrap_servers
    record(migrated_database_url, topic, EVENTS)
    arguments = [*mode, migrated_database_url, servers, new_name(), str(EVENTS)]
    command = [sys.executable, "-m", "benchmarks.profiled", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    times = json.loads(done.stdout.splitlines()[-1])
    assert times.keys() == {"all", "store", "send", "reports"}
    assert all(spent > 0 for spent in times.values())
    assert sum(times.values()) < 2 * times["all"]
    assert len(list(read_topic(servers, topic))) == EVENTS


def test_what_is_neither_store_nor_client_is_the_loop() -> None:
    mode = Mode("librdkafka", "at-least-once")
    found = figures({mode: {"all": 9.0, "store": 2.0, "send": 4.0, "reports": 1.0}})
    assert {figure.name.rpartition(".")[2]: figure.value for figure in found} == {
        "all_us": 9.0,
        "store_us": 2.0,
        "send_us": 4.0,
        "reports_us": 1.0,
        "loop_us": 2.0,
    }
