import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local.scratch import ROOT
from publisher.stop import Stop

TIGHT = """
import sys
from publisher.stop import Stop
stop = Stop()
stop.on_signals()
print("ready", flush=True)
while not stop.wait(0.0):
    pass
print("stopped", flush=True)
"""
HANGS = """
import time
from publisher import stop
stop.GRACE = float("{grace}")
wish = stop.Stop()
wish.on_signals()
print("ready", flush=True)
while True:
    time.sleep(0.1)
"""


@contextmanager
def started(program: str) -> Iterator[subprocess.Popen[str]]:
    """The program, once it listens to signals."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_signal_in_the_middle_of_a_wait_never_hangs() -> None:
    for number in range(25):
        with started(TIGHT) as process:
            time.sleep(number * 0.0007)  # another moment of the loop each time
            process.send_signal(signal.SIGTERM)
            assert process.wait(3) == 0


def test_a_second_signal_leaves_at_once() -> None:
    with started(HANGS.format(grace=60)) as process:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)  # two signals at once are one
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(1) == 128 + signal.SIGINT


def test_a_stop_that_hangs_is_cut_short() -> None:
    with started(HANGS.format(grace=0.2)) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(2) == 1


def test_a_wait_ends_with_the_stop_and_so_does_every_later_one() -> None:
    stop = Stop()
    started_at = time.monotonic()
    threading.Timer(0.1, stop.set).start()
    assert stop.wait(10)
    assert stop.wait(10)
    assert stop.wait(None)
    assert time.monotonic() - started_at < 5


def test_a_wait_without_a_stop_takes_its_time() -> None:
    started_at = time.monotonic()
    assert not Stop().wait(0.05)
    assert time.monotonic() - started_at >= 0.05


def test_a_stop_hurries_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.stop.HURRY", 0.01)
    stop = Stop()
    assert not stop.hurries
    stop.set()
    time.sleep(0.02)
    assert stop.hurries


def test_a_stop_knows_its_age() -> None:
    stop = Stop()
    assert stop.age == 0.0
    stop.set()
    time.sleep(0.02)
    assert stop.age == pytest.approx(0.02, abs=0.5)
    before = stop.age
    stop.set()
    assert stop.age >= before
