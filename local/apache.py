"""Apache Kafka in KRaft mode, from the jars of Maven Central."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from local.ladder import Unavailable
from local.ports import LOOPBACK, free_ports
from local.process import Process
from local.scratch import CACHE, locked, scratch

VERSION = "4.1.0"
OLDEST_JAVA = 17
JAVA_SECONDS = 30
MAVEN_SECONDS = 600

SLF4J = {"org.slf4j:slf4j-simple": "1.7.36"}
KAFKA = {
    "org.apache.kafka:kafka_2.13": VERSION,
    "org.apache.kafka:kafka-tools": VERSION,
    **SLF4J,
}
POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>{dependencies}</dependencies>
</project>
"""
DEPENDENCY = """
    <dependency>
      <groupId>{group}</groupId>
      <artifactId>{artifact}</artifactId>
      <version>{version}</version>
    </dependency>
"""
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

# Neither of the two folders that a JVM writes to by itself lies in the checkout.
TIDY = ("-XX:-UsePerfData", "-Djava.io.tmpdir={folder}")

# Only the first of the two compilers.
QUICK = "-XX:TieredStopAtLevel=1"

SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "400",
    "log.segment.bytes": str(64 << 20),
    "log.index.size.max.bytes": str(1 << 20),
    "log.cleaner.dedupe.buffer.size": str(8 << 20),
    "log.retention.ms": "-1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
}
PROTOCOLS = SETTINGS["listener.security.protocol.map"]


class Front(NamedTuple):
    """Another listener of a broker: where it `listens`, and where clients are told to go."""

    listens: str
    advertised: str


def jars() -> Path:
    """The folder with Kafka's jars, fetched at the first call; raises Unavailable."""
    java = shutil.which("java")
    if java is None or _java_version(java) < OLDEST_JAVA:
        raise Unavailable(f"there is no Java {OLDEST_JAVA} or later on the path")
    return fetched(f"kafka-{VERSION}", KAFKA, "Apache Kafka")


def fetched(name: str, artifacts: Mapping[str, str], what: str) -> Path:
    """The folder with these versions of artifacts and all that they need; raises Unavailable."""
    folder = CACHE / name
    CACHE.mkdir(exist_ok=True)
    with locked(CACHE):
        if not folder.exists():
            _fetch(folder, artifacts, what)
    return folder


@contextmanager
def nodes(
    count: int, fronts: Sequence[Front] = (), *, restless: bool = False
) -> Iterator[Mapping[str, Process]]:
    """`count` brokers of one new cluster by their addresses, not started yet.

    With `fronts`, one for each, clients may come through a proxy; brokers meet without it.
    Brokers that are `restless` take a third less to start, and are slower later.
    """
    library = jars()
    with scratch("kafka") as home, ExitStack() as running:
        ports = free_ports(2 * count)
        addresses = [f"{LOOPBACK}:{port}" for port in ports[:count]]
        voters = [f"{LOOPBACK}:{port}" for port in ports[count:]]
        folders = [home / str(number) for number in range(1, count + 1)]
        for number, folder in enumerate(folders):
            front = fronts[number] if fronts else None
            _configure(folder, number + 1, addresses[number], voters, front)
        _format(library, folders)
        processes = [_broker(library, folder, restless=restless) for folder in folders]
        for process in processes:
            running.callback(process.kill)
        yield dict(zip(addresses, processes, strict=True))


def _java_version(java: str) -> int:
    command = [java, "-XX:-UsePerfData", "-version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=JAVA_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as why:
        raise Unavailable(f"{java} does not tell its version: {why}") from why
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found[1]) if found else 0


def pom(artifacts: Mapping[str, str]) -> str:
    """What tells Maven which artifacts are wanted: versions by group and name."""
    wanted = [(*name.split(":"), version) for name, version in artifacts.items()]
    dependencies = (
        DEPENDENCY.format(group=group, artifact=artifact, version=version)
        for group, artifact, version in wanted
    )
    return POM.format(dependencies="".join(dependencies))


def _fetch(folder: Path, artifacts: Mapping[str, str], what: str) -> None:
    with scratch("maven") as work:
        (work / "pom.xml").write_text(pom(artifacts))
        options = [
            "-DincludeScope=runtime",
            f"-DoutputDirectory={work / 'jars'}",
            f"-Dmaven.repo.local={CACHE / 'maven'}",
        ]
        maven([COPY, *options], work, what)
        (work / "jars").rename(folder)


def maven(words: Sequence[str], work: Path, what: str = "Apache Kafka") -> None:
    """Let Maven do what the pom.xml in `work` is for; raises Unavailable."""
    program = shutil.which("mvn")
    if program is None:
        raise Unavailable(f"Maven (mvn) is not on the path to fetch {what}")
    command = [program, "--quiet", "--batch-mode", "--strict-checksums", *words]
    here = Path()  # Maven's script takes a space in a path for the end of it
    env = {**os.environ, "MAVEN_OPTS": " ".join(_tidy(here))}
    try:
        done = subprocess.run(
            command, cwd=work, env=env, capture_output=True, text=True, timeout=MAVEN_SECONDS
        )
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"Maven did not fetch {what} within {MAVEN_SECONDS} s") from late
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise Unavailable(f"Maven could not fetch {what}: {' '.join(said[:3])}")


def _configure(
    folder: Path, number: int, address: str, voters: list[str], front: Front | None
) -> None:
    folder.mkdir()
    (folder / "tmp").mkdir()
    copies = str(min(3, len(voters)))
    own = {
        "node.id": str(number),
        "log.dirs": str(folder / "data"),
        "listeners": f"PLAINTEXT://{address},CONTROLLER://{voters[number - 1]}",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "controller.quorum.voters": ",".join(
            f"{voter}@{where}" for voter, where in enumerate(voters, 1)
        ),
        "default.replication.factor": copies,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "share.coordinator.state.topic.replication.factor": copies,
    }
    if front is not None:
        own["listeners"] += f",FRONT://{front.listens}"
        own["advertised.listeners"] += f",FRONT://{front.advertised}"
        own["inter.broker.listener.name"] = "PLAINTEXT"
        own["listener.security.protocol.map"] = f"{PROTOCOLS},FRONT:PLAINTEXT"
    lines = [f"{name}={value}\n" for name, value in (SETTINGS | own).items()]
    (folder / "server.properties").write_text("".join(lines))


def _format(library: Path, folders: list[Path]) -> None:
    cluster = uuid4().hex[:22]
    tools = [_format_one(library, folder, cluster) for folder in folders]
    for tool in tools:
        said, _ = tool.communicate(timeout=120)
        if tool.returncode != 0:
            raise RuntimeError(f"Kafka's storage tool failed:\n{said}")


def _format_one(library: Path, folder: Path, cluster: str) -> subprocess.Popen[str]:
    tool = [*_java(library, folder), QUICK, "kafka.tools.StorageTool"]
    return subprocess.Popen(
        [*tool, "format", "-t", cluster, "-c", folder / "server.properties"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _broker(library: Path, folder: Path, *, restless: bool) -> Process:
    quick = [QUICK] if restless else []
    command = [*_java(library, folder), *quick, "kafka.Kafka", folder / "server.properties"]
    return Process(command, log=folder / "kafka.log")


def _java(library: Path, folder: Path) -> list[str | Path]:
    options = ["-Xmx256m", "-XX:+UseSerialGC", *_tidy(folder / "tmp")]
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return ["java", *options, quiet, "-cp", f"{library}/*"]


def _tidy(folder: Path) -> list[str]:
    return [option.format(folder=folder) for option in TIDY]
