"""Waiting for a state instead of sleeping."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

from django.db import connection, transaction


def eventually(true: Callable[[], object], timeout: float = 10.0) -> None:
    """Return as soon as `true()` is; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"still false after {timeout:g} s"
        time.sleep(0.01)


@contextmanager
def meanwhile(write: Callable[[], object]) -> Iterator[None]:
    """Write in a thread of its own, which has to wait for the transaction of the block."""
    failures: list[BaseException] = []
    thread = Thread(target=_run, args=(write, failures))
    with transaction.atomic():
        yield
        thread.start()
        thread.join(0.5)
        assert thread.is_alive(), f"it did not wait: {failures}"
    thread.join(10)
    assert not thread.is_alive()
    assert failures == []


def _run(write: Callable[[], object], failures: list[BaseException]) -> None:
    try:
        write()
    except BaseException as exc:
        failures.append(exc)
    finally:
        connection.close()
