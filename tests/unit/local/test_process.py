"""Children end when they are told to, with everything below them, and never outlive us."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import psutil
import pytest

from local.process import DiedEarly, Process
from tests.waiting import eventually

STUBBORN = "trap '' TERM INT; echo ready; while :; do sleep 0.05; done"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def sleeper(log: Path) -> Iterator[Process]:
    with Process(["sleep", "60"], log=log) as process:
        yield process


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def said(log: Path, count: int = 1) -> list[str]:
    """The first words that a process wrote, as soon as they are there."""
    eventually(lambda: log.exists() and len(log.read_text().split()) >= count)
    return log.read_text().split()


def test_a_polite_stop_reports_the_signal_that_ended_it(sleeper: Process) -> None:
    assert sleeper.running
    assert sleeper.stop() == -signal.SIGTERM
    assert sleeper.pid is None
    assert not sleeper.running


def test_what_ignores_a_polite_stop_is_killed_when_patience_ends(log: Path) -> None:
    with Process(["sh", "-c", STUBBORN], log=log) as process:
        said(log)
        assert process.stop(patience=0.1) == -signal.SIGKILL


def test_a_stop_takes_children_along_that_would_have_stayed(log: Path) -> None:
    with Process(["sh", "-c", f"sleep 60 & echo $!; {STUBBORN}"], log=log) as process:
        child = int(said(log, 2)[0])
        process.stop(patience=0.1)
        assert not lives(child)


def test_a_kill_takes_along_a_child_in_a_session_of_its_own(log: Path) -> None:
    with Process(["sh", "-c", "setsid sh -c 'echo $$; exec sleep 60' & wait"], log=log) as process:
        child = int(said(log)[0])
        process.kill()
        assert not lives(child)


def test_a_frozen_process_stands_still_and_goes_on(sleeper: Process) -> None:
    assert sleeper.pid is not None
    observed = psutil.Process(sleeper.pid)
    sleeper.freeze()
    eventually(lambda: observed.status() == psutil.STATUS_STOPPED)
    sleeper.thaw()
    eventually(lambda: observed.status() == psutil.STATUS_SLEEPING)


def test_a_freeze_returns_once_the_process_stands_still(
    sleeper: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine takes its time to stop one."""
    signalled = sleeper.signal

    def later(number: signal.Signals) -> None:
        Timer(0.3, signalled, [number]).start()

    with monkeypatch.context() as busy:
        busy.setattr(sleeper, "signal", later)
        sleeper.freeze()
    assert psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED


def test_a_frozen_process_can_be_stopped_politely(sleeper: Process) -> None:
    sleeper.freeze()
    assert sleeper.stop() == -signal.SIGTERM


def test_it_starts_again_after_a_kill_under_a_new_id(sleeper: Process) -> None:
    before = sleeper.pid
    sleeper.kill()
    sleeper.start()
    assert sleeper.running
    assert sleeper.pid != before


def test_starting_what_runs_changes_nothing(sleeper: Process) -> None:
    before = sleeper.pid
    sleeper.start()
    assert sleeper.pid == before


def test_what_ended_by_itself_is_reported_with_the_end_of_its_log(log: Path) -> None:
    with Process(["sh", "-c", "echo the disk is full; exit 3"], log=log) as process:
        assert process.wait(10) == 3
        with pytest.raises(DiedEarly, match=r"sh ended with code 3.*\n.*the disk is full"):
            process.check()


def test_a_missing_program_is_named(log: Path) -> None:
    with Process(["no-such-program"], log=log) as process:
        process.wait(10)
        with pytest.raises(DiedEarly, match=r"exec: no-such-program"):
            process.check()


def test_no_watcher_stays_behind_what_ended_by_itself(log: Path) -> None:
    before = len(psutil.Process().children())
    with Process(["true"], log=log) as process:
        eventually(lambda: not process.running)
        assert len(psutil.Process().children()) == before


def test_nothing_of_a_closed_process_can_be_stopped_twice(sleeper: Process) -> None:
    assert sleeper.stop() == sleeper.stop() == sleeper.kill()


PARENT = """
    import sys, time
    from pathlib import Path
    from local.process import Process

    process = Process({command!r}, log=Path({log!r}))
    process.start()
    while not process.tail():
        time.sleep(0.01)
    {frozen}
    print(process.pid, flush=True)
    time.sleep(60)
"""


def orphan(command: list[str], log: Path, ending: signal.Signals, frozen: str = "") -> int:
    """The id of a process whose parent was ended by `ending` after the process had spoken."""
    text = textwrap.dedent(PARENT).format(command=command, log=str(log), frozen=frozen)
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(ending)
    return pid


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_child_dies_with_its_parent_however_that_ends(ending: signal.Signals, log: Path) -> None:
    pid = orphan(["sh", "-c", STUBBORN], log, ending)
    eventually(lambda: not lives(pid))


def test_grandchildren_die_too_when_the_parent_is_killed(log: Path) -> None:
    orphan(["sh", "-c", "sleep 60 & echo $!; wait"], log, signal.SIGKILL)
    child = int(said(log)[0])
    eventually(lambda: not lives(child))


def test_a_frozen_child_dies_with_its_parent(log: Path) -> None:
    pid = orphan(["sh", "-c", STUBBORN], log, signal.SIGKILL, frozen="process.freeze()")
    eventually(lambda: not lives(pid))
