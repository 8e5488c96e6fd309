"""A password that is typed into the shop is nowhere to be read behind it.

The shop, its publisher and Kafka run as in production, and everything that they leave is searched
as bytes: the table, the topics with headers, both logs, and the metrics.
"""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from kafka import KafkaConsumer

from examples.demo.services import MANAGE, commands, environment, prepare, run
from examples.shop import replica
from local.kafka import Broker, kafka
from local.ports import LOOPBACK, free_ports
from local.process import Process
from local.scratch import ROOT
from tests.urls import get
from tests.waiting import eventually

OUTBOX = "SELECT event_id::text, outbox_event::text, key, value, headers FROM outbox_event"


class Shop:
    """A running shop with its publisher."""

    def __init__(self, url: str, broker: Broker, folder: Path, stack: ExitStack) -> None:
        web, metrics = free_ports(2)
        self.url, self.broker = url, broker
        self.metrics = f"http://{LOOPBACK}:{metrics}/metrics"
        self.client = stack.enter_context(
            httpx.Client(base_url=f"http://{LOOPBACK}:{web}", trust_env=False)
        )
        self.env = environment(url, url, broker.bootstrap_servers) | {
            "PUBLISHER_HTTP": f"{LOOPBACK}:{metrics}",
            "PUBLISHER_LOG_LEVEL": "debug",
            "GUNICORN_CMD_ARGS": "--log-level=debug --access-logfile=- --capture-output",
        }
        prepare(self.env)
        programs = commands(f"{LOOPBACK}:{web}", folder)
        self.processes = [
            stack.enter_context(
                Process(programs[name], log=folder / f"{name}.log", env=self.env, cwd=ROOT)
            )
            for name in ("web", "publisher")
        ]
        eventually(self.answers, timeout=30)

    def answers(self) -> bool:
        for process in self.processes:
            process.check()
        try:
            return self.client.get("/login").status_code == 405
        except httpx.TransportError:
            return False

    def make_user(self, name: str, password: str) -> None:
        command = [*MANAGE, "createsuperuser", "--noinput", f"--username={name}", "--email="]
        run(command, self.env | {"DJANGO_SUPERUSER_PASSWORD": password})

    def post(self, path: str, **wish: object) -> int:
        return self.client.post(path, json=wish).status_code

    def stored(self) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(OUTBOX).fetchall()

    def hash_of(self, name: str) -> str:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "SELECT password FROM auth_user WHERE username = %s", [name]
            ).fetchone()
        assert row
        return str(row[0])

    def everywhere(self) -> dict[str, bytes]:
        """What was left behind, by where it was."""
        logs = {process.log.name: process.log.read_bytes() for process in self.processes}
        rows = self.stored()
        return {
            **logs,
            "table": repr(rows).encode() + b"".join(bytes_of(row) for row in rows),
            "topics": b"".join(read_everything(self.broker, len(rows))),
            "metrics": get(self.metrics)[1].encode(),
        }


def bytes_of(row: tuple[object, ...]) -> bytes:
    return b"\n".join([*(each for each in row if isinstance(each, bytes)), b""])


def read_everything(broker: Broker, count: int) -> Iterator[bytes]:
    """Keys, values and headers of so many records of the shop's topics."""
    consumer = KafkaConsumer(
        *replica.STATES,
        *replica.EVENTS,
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    try:
        for _ in range(count):
            record = next(consumer)
            headers = [name.encode() + b"=" + value for name, value in record.headers]
            yield b"\n".join([record.key or b"", record.value or b"", *headers, b""])
    finally:
        consumer.close()


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    with ExitStack() as stack:
        broker = stack.enter_context(kafka(only="wheel"))
        yield Shop(database_url, broker, tmp_path, stack)


@pytest.mark.timeout(180)
def test_no_password_and_no_hash_of_one_is_anywhere_behind_the_shop(shop: Shop) -> None:
    first, second, wrong = (secrets.token_hex(16) for _ in range(3))
    shop.make_user("ann", first)
    hashes = [shop.hash_of("ann")]
    assert shop.post("/login", username="ann", password=wrong) == 401
    assert shop.post("/login", username=wrong, password=first) == 401
    assert shop.post("/login", username=["ann"], password=first) == 400
    assert shop.post("/login", username="ann", password=first) == 200
    assert shop.post("/password", old=wrong, new=second) == 400
    assert shop.post("/password", old=first, new=second) == 200
    hashes.append(shop.hash_of("ann"))
    assert shop.post("/logout") == 204
    assert shop.post("/login", username="ann", password=second) == 200

    found = shop.everywhere()
    digests = [each.rpartition("$")[2] for each in hashes]
    for secret in (first, second, wrong, *hashes, *digests):
        assert [place for place, left in found.items() if secret.encode() in left] == []
    # The search finds what is there.
    assert found["topics"].count(b'\n{"username":"ann"}\n') == 5
    assert found["table"].count(b'\n{"username":"ann"}\n') == 5
    assert b"POST /password" in found["web.log"]
    assert b'"event": "' in found["publisher.log"]
    assert b"outbox_publisher_" in found["metrics"]
