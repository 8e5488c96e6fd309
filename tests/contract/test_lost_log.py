"""A broker whose disk lost the end of a log that it had acknowledged."""

import os
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from local import apache
from local.kafka import Broker as Server
from local.ladder import Unavailable
from publisher.adapters.clients import CLIENTS, client
from publisher.errors import BrokerUnavailable
from publisher.ports import Broker, Delivery, Record
from publisher.position import Checkpoint, Position, Snapshot
from tests.conftest import MakeTopic
from tests.needs import unmet
from tests.topics import read_topic
from tests.waiting import eventually

END = Checkpoint(Position(Snapshot(7, 7)))
ONE_BY_ONE = {
    "kafka-python": {"batch_size": "1"},
    "librdkafka": {"batch_num_messages": "1"},
}
"""Settings with which each record is a batch of its own."""

LENGTH = struct.Struct(">8xi")
"""How a batch begins: its first offset, and the bytes that follow."""


class Forgetful(NamedTuple):
    server: Server
    logs: Path

    def restart_without_all_but(self, batches: int, topic: str) -> None:
        """Kill it, cut what its first partition has of the topic, and start it again."""
        self.server.kill()
        path = self.logs / f"{topic}-0" / f"{0:020}.log"
        log, end = path.read_bytes(), 0
        for _ in range(batches):
            end += LENGTH.size + LENGTH.unpack_from(log, end)[0]
        assert len(log) > end
        os.truncate(path, end)
        self.server.start()


@pytest.fixture(scope="module")
def forgetful() -> Iterator[Forgetful]:
    try:
        with apache.nodes(1) as nodes:
            [(address, process)] = nodes.items()
            server = Server(address, "apache", process)
            server.start()
            yield Forgetful(server, process.log.parent / "data")
    except Unavailable as why:
        unmet(str(why))


@pytest.mark.parametrize("name", CLIENTS)
def test_behind_a_record_whose_sequence_kafka_refuses_nothing_arrives_but_by_a_new_producer(
    forgetful: Forgetful, make_topic: MakeTopic, name: str
) -> None:
    server = forgetful.server
    topic = make_topic(on=server)
    page = [Record(n, topic, b"k", b"%d" % n, []) for n in range(6)]
    broker = client(name).broker(server.bootstrap_servers, ONE_BY_ONE[name])
    with closing(broker):
        broker.open()
        for record in page[:3]:
            arrives(broker, [record])
        forgetful.restart_without_all_but(2, topic)
        refused = broker.send(page[3:], END)
        decided(refused)
        eventually(lambda: refused.settle(0.1) == 0 and refused.error is not None, timeout=60)
        assert isinstance(refused.error, BrokerUnavailable)
        assert "outbox row 3" in str(refused.error)
        assert "outoforder" in str(refused.error).lower().replace("_", "")
        broker.close()
        eventually(lambda: opens(broker), timeout=60)
        arrives(broker, page[3:])
    values = [record.value for record in read_topic(server.bootstrap_servers, topic)]
    assert values == [b"0", b"1", b"3", b"4", b"5"]


def arrives(broker: Broker, page: list[Record]) -> None:
    delivery = broker.send(page, END)
    eventually(lambda: delivery.settle(0.1) == len(page) or delivery.error, timeout=60)
    assert delivery.error is None


def decided(delivery: Delivery) -> None:
    """Look as late as one does while a record before these waits for a slower partition; the
    other client decides nothing unless one looks."""
    futures = getattr(delivery, "futures", ())
    eventually(lambda: all(future.is_done for future in futures), timeout=60)


def opens(broker: Broker) -> bool:
    try:
        broker.open()
    except BrokerUnavailable:
        return False
    return True
