"""Relays of other projects in Python, each in an environment of its own, with its own table."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from confluent_kafka import Message

from benchmarks.database import KEYS, VALUE_BYTES
from benchmarks.drain import Run
from benchmarks.log import Log, NotMeasured, ce_sequence, wait_until
from benchmarks.peers.environment import python_with
from benchmarks.process import STOPPED, running
from local.commands import Failed, run
from local.postgres import Postgres
from local.scratch import ROOT

EVENTS = 10_000
"""Far fewer than ours get: the claims of some become slower with the length of the backlog."""
SECONDS = 600

_PAYLOAD = f"""{{"note":"' || repeat('x', {VALUE_BYTES - 30}) || '","sequence":' || n || '}}"""


@dataclass(frozen=True, slots=True)
class Peer:
    """How to install, prepare, fill and run another relay at its best documented settings."""

    name: str
    packages: Sequence[str]
    prepare: Sequence[str]
    run: Sequence[str]
    processes: int
    settings: Mapping[str, str]
    table: str
    fill: str
    sequence: Callable[[Message], int] = ce_sequence


def _payload_sequence(message: Message) -> int:
    return int(json.loads(message.value() or b"")["payload"]["sequence"])


RELIABLE = Peer(
    name="django-reliable-outbox",
    packages=("django-reliable-outbox[kafka,psycopg]",),
    prepare=("-m", "django", "migrate", "--verbosity=0"),
    run=("-m", "django", "outbox_worker", "--concurrency=8", "--batch-size=50"),
    processes=2,
    settings={"DJANGO_SETTINGS_MODULE": "benchmarks.peers.projects.reliable_outbox"},
    table="reliable_outbox_outboxmessage",
    fill=f"""
        INSERT INTO reliable_outbox_outboxmessage (
            message_id, kind, name, payload, headers, key, destination, status, attempts,
            max_attempts, backoff, locked_by, last_error, last_traceback
        )
        SELECT
            gen_random_uuid(), 'event', %(topic)s, ('{_PAYLOAD}')::jsonb, '{{}}',
            'customer-' || n %% {KEYS}, 'default', 'pending', 0, 10, 'exponential', '', '', ''
        FROM generate_series(1, %(events)s::bigint) AS n ORDER BY n
    """,
    sequence=_payload_sequence,
)
FASTSTREAM = Peer(
    name="faststream-outbox",
    packages=("faststream-outbox[asyncpg]", "faststream[kafka]"),
    prepare=("-m", "benchmarks.peers.projects.faststream_outbox", "create"),
    run=("-m", "benchmarks.peers.projects.faststream_outbox"),
    processes=1,
    settings={"WORKERS": "32", "BATCH": "500"},
    table="outbox",
    fill=f"""
        INSERT INTO outbox (queue, payload, headers)
        SELECT
            'events', convert_to('{_PAYLOAD}', 'UTF8'),
            jsonb_build_object(
                'key', 'customer-' || n %% {KEYS}, 'ce_id', gen_random_uuid(),
                'ce_time', clock_timestamp(), 'ce_specversion', '1.0', 'ce_source', '/benchmark',
                'ce_type', 'shop.order.placed', 'ce_subject', 'order/' || n,
                'ce_sequence', n::text, 'content-type', 'application/json'
            )
        FROM generate_series(1, %(events)s::bigint) AS n ORDER BY n
    """,
)
PEERS = (RELIABLE, FASTSTREAM)


class Relay:
    """Another relay with its database and topic; each run has a new backlog."""

    def __init__(self, peer: Peer, python: Path, url: str, log: Log) -> None:
        self._peer, self._python, self._log = peer, python, log
        self._url = url
        self._env = {
            **{name: value for name, value in os.environ.items() if "DJANGO" not in name},
            **peer.settings,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": url,
            "KAFKA_BOOTSTRAP_SERVERS": log.servers,
            "TOPIC": log.topic,
        }

    @classmethod
    @contextmanager
    def on(cls, peer: Peer, server: Postgres, log: Log) -> Iterator[Relay]:
        """The relay with a database of its own for as long as the block runs."""
        name = f"peer_{os.getpid()}_{peer.table}"
        python = python_with(*peer.packages)
        try:
            relay = cls(peer, python, server.create_database(name), log)
            relay.prepare()
            yield relay
        finally:
            server.drop_database(name)

    @property
    def name(self) -> str:
        return self._peer.name

    def prepare(self) -> None:
        try:
            run([self._python, *self._peer.prepare], ROOT, self._env)
        except Failed as why:
            raise NotMeasured(f"{self.name} cannot make its tables:\n{why}") from why

    def drain(self, events: int = EVENTS) -> Run:
        """Record a backlog, and run the relay until it is gone."""
        self._fill(events)
        spent: list[tuple[float, float]] = []

        def relay(arrived: Callable[[], bool]) -> None:
            with ExitStack() as stack:
                command: list[str | Path] = [self._python, *self._peer.run]
                processes = [
                    stack.enter_context(running(command, self._env, endings=STOPPED))
                    for _ in range(self._peer.processes)
                ]

                def look() -> None:
                    for process in processes:
                        process.look()

                wait_until(arrived, look, SECONDS)
                look()
                spent.extend((each.cpu_seconds, each.megabytes) for each in processes)

        started = time.time()
        arrivals = self._log.whatever_arrives(events, relay)
        cpu_seconds, megabytes = map(sum, zip(*spent, strict=True))
        return Run(arrivals, cpu_seconds, megabytes, started)

    def _fill(self, events: int) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {self._peer.table}".encode())
            params = {"topic": self._log.topic, "events": events}
            connection.execute(self._peer.fill.encode(), params)
            connection.execute(f"VACUUM ANALYZE {self._peer.table}".encode())
