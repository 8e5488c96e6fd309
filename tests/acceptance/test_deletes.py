"""A row that is deleted leaves a compacted topic: its last record, then nothing."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from local.kafka import Broker
from local.scratch import ROOT
from tests.acceptance.publishers import Publisher
from tests.conftest import MakeTopic
from tests.topics import read_topic
from tests.waiting import eventually

ROWS = 20
WRITE_AND_DELETE = """
import sys, django, outbox
django.setup()
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Concat
from django.contrib.auth.models import Group
outbox.capture(topic=sys.argv[1])(Group)
Group.objects.bulk_create([Group(name=str(n)) for n in range(int(sys.argv[2]))])
Group.objects.update(name=Concat("name", Value("b")))
with transaction.atomic():
    Group.objects.all().delete()
"""


def write_and_delete(url: str, topic: str) -> None:
    env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", WRITE_AND_DELETE, topic, str(ROWS)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def by_key(broker: Broker, topic: str) -> dict[bytes, list[Any]]:
    found: dict[bytes, list[Any]] = defaultdict(list)
    for record in read_topic(broker.bootstrap_servers, topic):
        found[record.key].append(record)
    return found


def test_a_deleted_row_is_a_last_record_and_then_a_null_value_in_the_same_partition(
    migrated_database_url: str, durable_broker: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    topic = make_topic("states", partitions=4, config={"cleanup.policy": "compact"})
    write_and_delete(migrated_database_url, topic)
    with Publisher(migrated_database_url, durable_broker.bootstrap_servers, tmp_path) as publisher:
        eventually(lambda: publisher.acknowledged == 4 * ROWS, timeout=30)
    found = by_key(durable_broker, topic)
    assert len(found) == ROWS
    assert len({record.partition for records in found.values() for record in records}) > 1
    for records in found.values():
        assert len({record.partition for record in records}) == 1
        assert [record.value and record.value[:15] for record in records] == [
            b'{"op":"create",',
            b'{"op":"update",',
            b'{"op":"delete",',
            None,
        ]
