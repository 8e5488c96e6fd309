"""Kafka on this machine: named by the environment, a container, Apache's jars, or a wheel's."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Literal

from kafka import KafkaAdminClient
from kafka.errors import InvalidReplicationFactorError, KafkaError

from local import apache, tansu
from local.container import container, engine_host
from local.ladder import KAFKA, NothingAvailable, Rung, Unavailable, Ways, climb
from local.ports import LOOPBACK, free_ports
from local.server import Engine, Fleet, Server

Kind = Literal["external", "container", "apache", "tansu"]
# Where a broker in a container reaches itself: what it tells the others leads nowhere in there.
ITSELF = "INTERNAL://localhost:9094"
IMAGE = f"apache/kafka:{apache.VERSION}"


class Node(Server):
    """One broker of a cluster."""

    def __init__(self, address: str, engine: Engine) -> None:
        super().__init__(engine, lambda: address in _brokers(address))
        self.address = address

    def __repr__(self) -> str:
        return f"The Kafka broker at {self.address}"


class Broker(Server):
    """A running Kafka cluster; `nodes` are its brokers one by one, where they can be broken."""

    def __init__(
        self,
        bootstrap_servers: str,
        kind: Kind,
        engine: Engine | None = None,
        nodes: Sequence[Node] = (),
    ) -> None:
        super().__init__(engine, self._complete)
        self.bootstrap_servers = bootstrap_servers
        self.kind = kind
        self.nodes = nodes

    def __repr__(self) -> str:
        return f"Kafka at {self.bootstrap_servers} ({self.kind})"

    @property
    def durable(self) -> bool:
        """Whether it has transactions, fences, and keeps its data over a restart."""
        return self.kind != "tansu"

    def create_topic(
        self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic and wait for its leaders; kafka.errors.TopicAlreadyExistsError.

        A broker that has just woken up is waited for: no topic can have replicas there until the
        controller has heard of it.
        """
        topic = {
            "num_partitions": partitions,
            "replication_factor": min(3, max(1, len(self.nodes))),
            "configs": dict(config or {}),
        }
        deadline = time.monotonic() + 20
        with _admin(self.bootstrap_servers) as admin:
            while True:
                try:
                    admin.create_topics({name: topic}, wait_for_metadata=True)
                    return
                except InvalidReplicationFactorError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)

    def delete_topic(self, name: str) -> None:
        """Delete a topic; kafka.errors.UnknownTopicOrPartitionError."""
        with _admin(self.bootstrap_servers) as admin:
            admin.delete_topics([name])

    def _complete(self) -> bool:
        """Whether every broker knows all the others: a client may ask any of them."""
        asked = [node.address for node in self.nodes] or [self.bootstrap_servers]
        return all(len(_brokers(each)) >= len(asked) for each in asked)


@contextmanager
def kafka(*, only: Rung | None = None, brokers: int = 1) -> Iterator[Broker]:
    """A Kafka cluster for as long as the block runs; what was started here ends with it.

    `only` allows no other rung. Several `brokers` can be had from Apache's jars only.
    """
    ways: Ways[Broker] = {
        "external": external,
        "container": contained,
        "apache": partial(from_jars, brokers),
        "wheel": from_wheel,
    }
    if brokers > 1:
        if only and only != "apache":
            raise NothingAvailable("Kafka", {only: f"one broker at most, not {brokers}"})
        only = "apache"
    with climb("Kafka", [only] if only else KAFKA, ways) as broker:
        broker.wait(60 if broker.ours else 10)
        yield broker


@contextmanager
def external() -> Iterator[Broker]:
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if not servers:
        raise Unavailable("KAFKA_BOOTSTRAP_SERVERS is not set")
    yield Broker(servers, "external")


@contextmanager
def contained() -> Iterator[Broker]:
    host = engine_host()
    [port] = free_ports(1)
    address = f"{host}:{port}"
    env = dict(_inside(address))
    with container(IMAGE, host=host, inside=9092, port=port, env=env) as engine:
        yield Broker(address, "container", engine)


@contextmanager
def from_jars(brokers: int) -> Iterator[Broker]:
    with apache.nodes(brokers) as processes:
        fleet = Fleet(list(processes.values()))
        fleet.start()
        nodes = [Node(address, process) for address, process in processes.items()]
        yield Broker(",".join(processes), "apache", fleet, nodes)


@contextmanager
def from_wheel() -> Iterator[Broker]:
    [port] = free_ports(1)
    address = f"{LOOPBACK}:{port}"
    with tansu.broker(address) as process:
        process.start()
        yield Broker(address, "tansu", process)


def _inside(address: str) -> Iterator[tuple[str, str]]:
    """The settings of the one broker in a container that is reached at `address`."""
    own = {
        "node.id": "1",
        "listeners": f"PLAINTEXT://:9092,CONTROLLER://:9093,{ITSELF}",
        "advertised.listeners": f"PLAINTEXT://{address},{ITSELF}",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": f"{apache.PROTOCOLS},INTERNAL:PLAINTEXT",
        "controller.quorum.voters": "1@localhost:9093",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "share.coordinator.state.topic.replication.factor": "1",
    }
    for name, value in (apache.SETTINGS | own).items():
        yield f"KAFKA_{name.upper().replace('.', '_')}", value


@contextmanager
def _admin(servers: str) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=1_000)
    try:
        yield admin
    finally:
        admin.close()


def _brokers(servers: str) -> set[str]:
    """The addresses of the brokers that serve; empty while nobody answers."""
    with suppress(KafkaError, OSError), _admin(servers) as admin:
        known = admin.describe_cluster()["brokers"]
        serving = [broker for broker in known if not broker.get("is_fenced")]
        return {f"{broker['host']}:{broker['port']}" for broker in serving}
    return set()
