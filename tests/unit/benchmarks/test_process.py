"""A process that fails is never a figure."""

import os
import sys

import pytest

from benchmarks.log import NotMeasured
from benchmarks.process import running
from local.process import DiedEarly
from tests.waiting import eventually

POLITE = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit({code})); "


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_peak_of_memory_stays_when_the_memory_is_gone() -> None:
    code = POLITE.format(code=0) + "x = b'x' * 80_000_000; del x; print('done', flush=True)\n"
    with running(python(code + "signal.pause()"), os.environ) as process:
        eventually(lambda: process.last_line == "done")
        process.look()
    assert process.megabytes > 80
    assert process.cpu_seconds > 0


def test_one_that_ended_by_itself_shows_its_log() -> None:
    with (
        pytest.raises(DiedEarly, match="a reason"),
        running(python("raise SystemExit('a reason')"), os.environ) as process,
    ):
        eventually(lambda: process.last_line == "a reason")
        while True:
            process.look()


def test_one_that_fails_at_its_end_shows_its_log() -> None:
    code = POLITE.format(code="'a reason'") + "print('ready', flush=True); signal.pause()"
    with (
        pytest.raises(NotMeasured, match="ended with code 1; the end of its log:\nready\na reason"),
        running(python(code), os.environ) as process,
    ):
        eventually(lambda: process.last_line == "ready")


def test_one_that_should_succeed_and_fails_shows_its_log() -> None:
    with (
        pytest.raises(NotMeasured, match="a reason"),
        running(python("raise SystemExit('a reason')"), os.environ) as process,
    ):
        process.finish(20)


def test_one_that_is_waited_for_in_vain_shows_its_log() -> None:
    code = POLITE.format(code=0) + "print('a reason', flush=True); signal.pause()"
    with (
        pytest.raises(NotMeasured, match="too late; the end of its log:\na reason"),
        running(python(code), os.environ) as process,
    ):
        eventually(lambda: process.last_line == "a reason")
        raise NotMeasured("too late")
