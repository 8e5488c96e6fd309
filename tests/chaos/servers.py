"""PostgreSQL on a disk that can be full, and three Kafka brokers, each behind a link of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local import apache
from local.cluster import PASSWORD, USER, cluster
from local.kafka import Broker, Node
from local.ladder import NothingAvailable, Unavailable
from local.ports import LOOPBACK, free_ports
from local.postgres import Postgres
from local.scratch import scratch
from local.server import Fleet
from local.volume import Volume, volume
from tests.chaos.link import Link

BROKERS = 3
STARTING = 300.0  # seconds: generous, for a machine that has more to do
DISK = 512 << 20
SETTINGS = {
    "max_connections": "40",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class Database:
    """`link` is the way of the publishers; `log` is what the server said."""

    server: Postgres
    link: Link
    port: int
    disk: Volume
    log: Path

    def behind_link(self, url: str) -> str:
        parts = urlsplit(url)
        at = f"{parts.username}:{parts.password}@{LOOPBACK}:{self.port}"
        return parts._replace(netloc=at).geturl()


@dataclass(frozen=True)
class Cluster:
    """`behind_link` are the bootstrap servers of the publishers."""

    broker: Broker
    link: Link
    behind_link: str
    logs: list[Path]


@contextmanager
def database() -> Iterator[Database]:
    """A server whose data a crash of a process does not lose: fsync is on."""
    port, front = free_ports(2)
    url = f"postgresql://{USER}:{PASSWORD}@{LOOPBACK}:{port}/postgres"
    try:
        with (
            scratch("disk") as home,
            volume(home / "disk", DISK) as disk,
            cluster(port, fsync=True, settings=SETTINGS, disk=disk) as (process, data),
            Link({front: port}) as link,
        ):
            process.start()
            server = Postgres(url, "wheel", process, data)
            server.wait(STARTING)
            yield Database(server, link, front, disk, process.log)
    except Unavailable as why:
        raise NothingAvailable("PostgreSQL on a disk of its own", {"wheel": str(why)}) from why


@contextmanager
def brokers(delay: float) -> Iterator[Cluster]:
    """Brokers that meet directly, as the harness does; clients come through the link."""
    ports = free_ports(2 * BROKERS)
    inner, outer = ports[:BROKERS], ports[BROKERS:]
    fronts = [
        apache.Front(f"{LOOPBACK}:{listens}", f"{LOOPBACK}:{advertised}")
        for listens, advertised in zip(inner, outer, strict=True)
    ]
    try:
        with (
            apache.nodes(BROKERS, fronts, restless=True) as processes,
            Link(dict(zip(outer, inner, strict=True)), delay=delay) as link,
        ):
            fleet = Fleet(list(processes.values()))
            fleet.start()
            nodes = [Node(address, process) for address, process in processes.items()]
            broker = Broker(",".join(processes), "apache", fleet, nodes)
            broker.wait(STARTING)
            behind = ",".join(front.advertised for front in fronts)
            yield Cluster(broker, link, behind, [each.log for each in processes.values()])
    except Unavailable as why:
        raise NothingAvailable("Kafka", {"apache": str(why)}) from why
