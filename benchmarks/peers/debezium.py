"""Debezium's outbox event router in Kafka Connect, on the same table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict

from benchmarks.database import record
from benchmarks.drain import PATIENCE, SLOWEST, Run
from benchmarks.latency import Delays, live
from benchmarks.live import Ear
from benchmarks.log import Log, NotMeasured, wait_until
from benchmarks.process import STOPPED, Measured, running
from local.apache import SLF4J, TIDY, fetched
from local.ports import LOOPBACK, free_ports
from local.scratch import scratch

VERSION, CONNECT_VERSION = "3.6.1.Final", "4.3.1"
DEBEZIUM = {"io.debezium:debezium-connector-postgres": VERSION}
CONNECT = {"org.apache.kafka:connect-runtime": CONNECT_VERSION, **SLF4J}
START_SECONDS = 120

# What Kafka's own scripts give to Connect.
JAVA = (
    "-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
)  # fmt: skip

WORKER = {
    "key.converter": "io.debezium.converters.BinaryDataConverter",
    "value.converter": "io.debezium.converters.BinaryDataConverter",
    "plugin.discovery": "only_scan",
    # As our own producers.
    "producer.linger.ms": "1",
    "producer.batch.size": str(128 * 1024),
}
OUTBOX = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "tasks.max": "1",
    "plugin.name": "pgoutput",
    "publication.autocreate.mode": "filtered",
    "table.include.list": "public.outbox_event",
    "snapshot.mode": "no_data",
    "tombstones.on.delete": "false",
    "extended.headers.enabled": "false",
    # Half a second at its default: what comes alone would wait for that.
    "poll.interval.ms": "5",
    "transforms": "outbox,specversion,source,schema,content",
    "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
    "transforms.outbox.table.field.event.id": "event_id",
    "transforms.outbox.table.field.event.key": "key",
    "transforms.outbox.table.field.event.payload": "value",
    "transforms.outbox.route.by.field": "topic",
    "transforms.outbox.route.topic.replacement": "${routedByValue}",
    "transforms.outbox.table.fields.additional.placement": (
        "type:header:ce_type,created_at:header:ce_time,"
        "subject:header:ce_subject,id:header:ce_sequence"
    ),
}
CONSTANT_HEADERS = {
    "specversion": ("ce_specversion", "1.0"),
    "source": ("ce_source", "urn:benchmark"),
    "schema": ("ce_dataschema", "urn:contract:shop.order.placed:1"),
    "content": ("content-type", "application/json"),
}
"""With the four columns and the router's own `id`, the nine headers that ours sends."""


class Debezium:
    """A relay that is warm: but for its own runs its connector is stopped, and Connect goes on.

    A connector that runs decodes what everybody writes to the cluster, those who are measured too.
    """

    def __init__(self, process: Measured, api: httpx.Client, url: str, log: Log) -> None:
        self._process = process
        self._api = api
        self._url = url
        self._log = log

    @classmethod
    @contextmanager
    def on(cls, url: str, log: Log) -> Iterator[Debezium]:
        """Connect with the connector for a database, for as long as the block runs."""
        require_logical(url)
        [port] = free_ports(1)
        address = f"http://{LOOPBACK}:{port}"
        with scratch("debezium") as home:
            command = _command(home, address, url, log.servers)
            with (
                running(command, os.environ, endings=STOPPED) as process,
                httpx.Client(base_url=f"{address}/connectors/outbox", timeout=60) as api,
            ):
                relay = cls(process, api, url, log)
                with relay.at_work():
                    pass  # it makes its slot
                yield relay

    def drain(self, events: int) -> Run:
        """Record a backlog while the connector is stopped, and let it go on for that."""
        record(self._url, self._log.topic, events)
        self._process.look()
        started, before = time.time(), self._process.cpu_seconds

        def run(arrived: Callable[[], bool]) -> None:
            self._go_on()
            wait_until(arrived, self._process.look, PATIENCE + events / SLOWEST)
            self._process.look()
            self._stop()

        arrivals = self._log.whatever_arrives(events, run)
        spent = self._process.cpu_seconds - before
        return Run(arrivals, spent, self._process.megabytes, started)

    def warm_up(self, events: int) -> None:
        """Relay so many events as they come."""
        with self.at_work():
            self._log.whatever_arrives(events, lambda arrived: self._relay(events, arrived))

    def _relay(self, events: int, arrived: Callable[[], bool]) -> None:
        record(self._url, self._log.topic, events)
        wait_until(arrived, self.check, PATIENCE + events / SLOWEST)

    def live(self, rate: int, seconds: int) -> Delays:
        """Milliseconds from the end of each commit to the consumer, at a steady pace."""
        with self.at_work(), Ear.on(self._log, strict=False) as ear:
            return live(ear, self._url, self._log.topic, rate, seconds, self._process.look)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The connector runs for as long as the block does."""
        self._go_on()
        yield
        self._stop()

    def _stop(self) -> None:
        """Stop the connector; Connect stays as it is."""
        self._ask("PUT", "/stop")
        self._wait(lambda: self._states() == ["STOPPED"] and not _slot_is_read(self._url))

    def _go_on(self) -> None:
        """Start the connector again, or wait until it has started."""
        self._wait(lambda: bool(self._states()))
        self._ask("PUT", "/resume")
        self._wait(lambda: self._states() == ["RUNNING"] * 2 and _slot_is_read(self._url))

    def check(self) -> None:
        """Raise, with its log, when Connect has ended or its task has failed."""
        self._process.look()
        if "FAILED" in (states := self._states()):
            raise NotMeasured(f"Debezium is {states}; the end of its log:\n{self._process.tail}")

    def _states(self) -> list[str]:
        """Of the connector and its tasks; nothing while Connect does not know it."""
        try:
            answer = self._api.get("/status")
        except httpx.TransportError:  # it starts
            return []
        if answer.status_code != httpx.codes.OK:
            return []
        status = answer.json()
        return [part["state"] for part in (status["connector"], *status["tasks"])]

    def _ask(self, method: str, path: str) -> None:
        answer = self._api.request(method, path)
        if answer.is_error:
            raise NotMeasured(f"Kafka Connect says to {path}: {answer.text}")

    def _wait(self, done: Callable[[], bool]) -> None:
        wait_until(done, self.check, START_SECONDS)


def _command(home: Path, address: str, url: str, servers: str) -> list[str | Path]:
    plugins = fetched(f"debezium-{VERSION}", DEBEZIUM, "Debezium")
    connect = fetched(f"connect-{CONNECT_VERSION}", CONNECT, "Kafka Connect")
    (home / "plugins").mkdir()
    (home / "plugins" / "debezium").symlink_to(plugins)
    (home / "tmp").mkdir()
    worker = {
        **WORKER,
        "bootstrap.servers": servers,
        "listeners": address,
        "plugin.path": str(home / "plugins"),
        "offset.storage.file.filename": str(home / "offsets"),
    }
    _write(home / "worker.properties", worker)
    _write(home / "outbox.properties", {**connector(), **_database(url)})
    options = [*JAVA, *(option.format(folder=home / "tmp") for option in TIDY)]
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    program = ["org.apache.kafka.connect.cli.ConnectStandalone"]
    files = [home / "worker.properties", home / "outbox.properties"]
    return ["java", *options, quiet, "-cp", f"{connect}/*", *program, *files]


def connector() -> dict[str, str]:
    """The settings of the connector, without those of the database."""
    settings = {"name": "outbox", **OUTBOX}
    for name, (header, value) in CONSTANT_HEADERS.items():
        prefix = f"transforms.{name}"
        settings[f"{prefix}.type"] = "org.apache.kafka.connect.transforms.InsertHeader"
        settings[f"{prefix}.header"] = header
        settings[f"{prefix}.value.literal"] = value
    return settings


def _database(url: str) -> dict[str, str]:
    parts = conninfo_to_dict(url)
    return {
        "database.hostname": str(parts["host"]),
        "database.port": str(parts["port"]),
        "database.user": str(parts["user"]),
        "database.password": str(parts.get("password", "")),
        "database.dbname": str(parts["dbname"]),
        "topic.prefix": str(parts["dbname"]),
        "slot.name": str(parts["dbname"]),
        "slot.drop.on.stop": "false",
        "publication.name": str(parts["dbname"]),
    }


def _write(path: Path, settings: Mapping[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    path.chmod(0o600)  # a password is in it


def require_logical(url: str) -> None:
    with psycopg.connect(url) as connection:
        [level] = connection.execute("SHOW wal_level").fetchone() or [""]
    if level != "logical":
        raise NotMeasured(f"Debezium needs a PostgreSQL with wal_level=logical, not {level}")


def _slot_is_read(url: str) -> bool:
    with psycopg.connect(url) as connection:
        query = "SELECT active FROM pg_replication_slots WHERE database = current_database()"
        return connection.execute(query).fetchone() == (True,)
