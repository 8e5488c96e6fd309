"""A publisher as a process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.process import Process
from local.scratch import ROOT
from tests.urls import get
from tests.waiting import eventually

COMMAND = ("publisher.cli", "run")


class Publisher:
    """A publisher process and its endpoints; `module` is what Python runs, and its words."""

    def __init__(
        self, url: str, servers: str, folder: Path, module: Sequence[str] = COMMAND, **env: str
    ) -> None:
        self.env = {
            **os.environ,
            "PUBLISHER_DATABASE_URL": url,
            "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS": servers,
            "PUBLISHER_HTTP": "127.0.0.1:0",
            **env,
        }
        command = [sys.executable, "-m", *module]
        self.process = Process(command, log=folder / "publisher.log", env=self.env, cwd=ROOT)

    def __enter__(self) -> "Publisher":
        self.process.start()
        eventually(lambda: self.address or not self.process.running, timeout=20)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    @property
    def address(self) -> str | None:
        """Where the process listens, or did if it does not run."""
        found = re.findall(r'"http": "([^"]+)"', self.process.log.read_text())
        return found[-1] if found else None

    def ready(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(get(f"http://{self.address}/readyz")[1])
        return state

    @property
    def acknowledged(self) -> float:
        return self.metric("outbox_publisher_records_acknowledged_total")

    @property
    def active(self) -> bool:
        return self.metric("outbox_publisher_active") == 1

    @property
    def waits(self) -> float:
        return self.metric("outbox_publisher_waits_total")

    def metric(self, name: str) -> float:
        metrics = get(f"http://{self.address}/metrics")[1]
        found = re.search(rf"^{name}.* (\S+)$", metrics, re.M)
        assert found is not None
        return float(found[1])

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it logged so far."""
        return [json.loads(line) for line in self.process.log.read_text().splitlines()]

    def stop(self) -> tuple[int | None, float]:
        """Ask it to stop; its exit code, and how long it took."""
        started = time.monotonic()
        self.process.signal(signal.SIGTERM)
        return self.process.wait(10), time.monotonic() - started

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "publisher.cli", *words],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
