"""Processes that are measured. One that fails leaves its log, never a figure."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from uuid import uuid4

import psutil

from benchmarks.log import NotMeasured
from benchmarks.modes import Mode
from local.process import Process
from local.scratch import ROOT, scratch

NAMES = f"benchmark-{uuid4().hex[:8]}-"
"""What the names of all publishers of this run begin with."""
_numbers = count(1)

STOPPED = (0, 143, -signal.SIGTERM, -signal.SIGKILL)
"""How a relay of others may end that was told to: after what was measured, it may be slow."""


class Measured:
    """A running process: the peak of its resident memory, and what it took of all processors."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.megabytes = 0.0
        self.cpu_seconds = 0.0

    @property
    def pid(self) -> int:
        """Its id; raises DiedEarly, with its log, when it has ended."""
        self._process.check()
        pid = self._process.pid
        assert pid is not None  # it runs
        return pid

    @property
    def last_line(self) -> str:
        return self._process.tail(1)

    @property
    def tail(self) -> str:
        """The end of its log."""
        return self._process.tail()

    def look(self) -> None:
        """Take what it used so far; raises DiedEarly, with its log, when it has ended."""
        process = psutil.Process(self.pid)
        try:
            spent, peak = process.cpu_times(), _peak_bytes(process)
        except psutil.NoSuchProcess:  # just now
            self._process.wait(10)
            self._process.check()
            raise
        self.cpu_seconds = spent.user + spent.system
        self.megabytes = max(self.megabytes, peak / 1_000_000)

    def finish(self, seconds: float) -> None:
        """Wait until it ends by itself, which has to be a success."""
        self.require_success(self._process.wait(seconds))

    def require_success(self, code: int | None) -> None:
        if code != 0:
            raise NotMeasured(
                f"{self._process.name} ended with code {code}; the end of its log:\n"
                f"{self._process.tail()}"
            )


@contextmanager
def running(
    command: Sequence[str | Path], env: Mapping[str, str], *, endings: Sequence[int] = (0,)
) -> Iterator[Measured]:
    """A process for as long as the block runs; told to end, it has to do so with such a code."""
    with scratch("benchmark") as folder:
        process = Process(command, log=folder / "output.log", env=env, cwd=ROOT)
        process.start()
        measured = Measured(process)
        try:
            yield measured
        except NotMeasured as why:
            process.stop()
            raise NotMeasured(f"{why}; the end of its log:\n{process.tail()}") from why
        except BaseException:
            process.stop()
            raise
        code = process.stop()
        if code not in endings:
            measured.require_success(code)


@contextmanager
def publisher(
    mode: Mode,
    url: str,
    servers: str,
    name: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Measured]:
    """`outbox-publisher run`, at its defaults but for the `settings`; under a new name it starts at
    the beginning."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PUBLISHER_")},
        **mode.environment,
        "PUBLISHER_DATABASE_URL": url,
        "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS": servers,
        "PUBLISHER_NAME": name or new_name(),
        "PUBLISHER_HTTP": "127.0.0.1:0",
        **(settings or {}),
    }
    with running([sys.executable, "-m", "publisher.cli", "run"], env) as measured:
        yield measured


def new_name() -> str:
    """A name that no publisher has had on these servers."""
    return f"{NAMES}{next(_numbers)}"


def _peak_bytes(process: psutil.Process) -> int:
    """The peak that Linux keeps for each process; elsewhere, what is resident now."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return int(process.memory_info().rss)
    lines = status.read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
