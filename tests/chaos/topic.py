"""A topic, its writers and its reader; it may be deleted and created again."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self
from uuid import UUID

from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from local.kafka import Broker
from local.process import Process
from local.scratch import ROOT
from tests.acceptance.stress.verdict import Delivered
from tests.chaos.reader import Reader

CONFIG = {"min.insync.replicas": "2", "message.timestamp.type": "LogAppendTime"}
PATIENCE = 15.0
WRITERS_PATIENCE = 30.0


class Topic:
    """What arrived on it is kept, also what was deleted since."""

    def __init__(self, broker: Broker, name: str, partitions: int, folder: Path) -> None:
        self.name = name
        self._broker, self._partitions, self._folder = broker, partitions, folder
        self._gate = folder / f"gate-{name}"
        self._gate.touch()
        self._confirmed = folder / f"confirmed-{name}"
        self._earlier: list[Delivered] = []
        self._writers: Process | None = None
        self.create()

    def create(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._broker.create_topic(self.name, self._partitions, CONFIG)
                break
            except (TopicAlreadyExistsError, OSError):  # it is still being deleted
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        earlier = [record.change for record in self._earlier]
        self.reader = Reader(self._broker.bootstrap_servers, self.name, self._partitions, earlier)

    def delete(self) -> None:
        """Keep what arrived, and return when no broker takes anything for it any more."""
        self._earlier += self.reader.finish()
        self._broker.delete_topic(self.name)
        deadline = time.monotonic() + PATIENCE
        while self._lies_somewhere():
            if time.monotonic() > deadline:
                raise TimeoutError(f"topic {self.name} was not deleted in {PATIENCE:g} s")
            time.sleep(0.1)

    def _lies_somewhere(self) -> bool:
        """Whether a broker has a log of it still: it forgets the name before it drops the log."""
        logs = {self.name: list(range(self._partitions))}
        servers = self._broker.bootstrap_servers
        with closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
            return any(
                folder["topics"]
                for broker in admin.describe_log_dirs(logs)
                for folder in broker["log_dirs"]
            )

    def start_writers(self, database_url: str, seed: int, threads: int) -> None:
        words = ("-m", "tests.chaos.writers", str(seed), self._gate, self._confirmed)
        self._writers = Process(
            [sys.executable, *words],
            log=self._folder / f"writers-{self.name}.log",
            env={
                **os.environ,
                "DATABASE_URL": database_url,
                "STRESS_TOPIC": self.name,
                "CHAOS_WRITERS": str(threads),
            },
            cwd=ROOT,
        )
        self._writers.start()

    def stop_writers(self) -> None:
        if self._writers is not None:
            code = self._writers.stop(WRITERS_PATIENCE)
            assert code == 0, self._writers.tail()

    @contextmanager
    def without_writers(self) -> Iterator[None]:
        """No transaction of the writers is open inside the block."""
        file = os.open(self._gate, os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    @property
    def confirmed(self) -> set[UUID]:
        """The transactions whose commit PostgreSQL confirmed to the writers."""
        if not self._confirmed.exists():
            return set()
        lines = self._confirmed.read_text().splitlines(keepends=True)
        return {UUID(line.strip()) for line in lines if line.endswith("\n")}

    def delivered(self) -> list[Delivered]:
        """Everything that ever arrived; ends the reading."""
        return self._earlier + self.reader.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.stop()
        if self._writers is not None:
            self._writers.kill()
