"""Waiting for a state instead of sleeping."""

import time
from collections.abc import Callable


def eventually(true: Callable[[], object], timeout: float = 10.0) -> None:
    """Return as soon as `true()` is; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"still false after {timeout:g} s"
        time.sleep(0.01)
