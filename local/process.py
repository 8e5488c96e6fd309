"""A child process that is ended by its own id and does not outlive its parent."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

# The child waits here until its watcher stands, so that no moment is left in which the parent
# can be killed and the child goes on.
GATE = 'read -r go && exec "$@" </dev/null'

# A line means that the parent has seen to the end itself; the end of the pipe, that it is gone.
WATCH = """
read -r settled && exit
kill -s CONT -- "-$1"
kill -s "$2" -- "-$1"
for second in 1 2 3 4 5 6; do
    kill -s 0 -- "-$1" || exit
    sleep 1
done
kill -s KILL -- "-$1"
"""


class DiedEarly(Exception):
    """A process ended by itself where it should run."""

    def __init__(self, process: "Process") -> None:
        super().__init__(
            f"{process.name} ended with code {process.code}; the end of its log:\n{process.tail()}"
        )


class Process:
    """A command that can be started, ended and started again; its output goes to `log`.

    `polite` is the signal that asks it to stop; `orphaned` is what it gets when this process
    died without stopping it.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        polite: signal.Signals = signal.SIGTERM,
        orphaned: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self._env = env
        self._cwd = cwd
        self._polite = polite
        self._orphaned = orphaned
        self._child: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return Path(self.command[0]).name

    @property
    def pid(self) -> int | None:
        """The id of the running process, None when it does not run."""
        return self._child.pid if self._child is not None and self.running else None

    @property
    def running(self) -> bool:
        return self._child is not None and self.code is None

    @property
    def code(self) -> int | None:
        """How it ended: its exit code, or minus the signal that ended it; None while it runs."""
        code = None if self._child is None else self._child.poll()
        if code is not None:
            self._settle()
        return code

    def start(self) -> None:
        if self.running:
            return
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", GATE, "gate", *self.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )
        self._watcher = _watch(self._child.pid, self._orphaned)
        _say(self._child)

    def stop(self, patience: float = 10.0) -> int | None:
        """Ask politely, insist after `patience` seconds; the exit code."""
        self.thaw()
        self.signal(self._polite)
        with suppress(subprocess.TimeoutExpired):
            self.wait(patience)
        return self.kill()

    def kill(self) -> int | None:
        """End it and its descendants at once, as a crash does; the exit code."""
        self.freeze()  # what stands still has no more children
        family = self._family()
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        code = self.wait(10)
        while any(map(_lives, family)):
            time.sleep(0.005)
        return code

    def freeze(self) -> None:
        """Let it and its descendants stand still, as a long pause or a lost machine does.

        On a busy machine they would go on for a moment, and answer.
        """
        self.signal(signal.SIGSTOP)
        family = self._family()
        for member in family[1:]:
            with suppress(psutil.NoSuchProcess):
                member.suspend()
        while any(map(_moves, family)):
            time.sleep(0.001)

    def thaw(self) -> None:
        for member in self._family():
            with suppress(psutil.NoSuchProcess):
                member.resume()

    def signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            self._child.send_signal(number)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end and return the exit code; subprocess.TimeoutExpired after `timeout`."""
        if self._child is None:
            return None
        code = self._child.wait(timeout)
        self._settle()
        return code

    def check(self) -> None:
        """Raise DiedEarly when it was started and has ended by itself."""
        if not self.running:
            raise DiedEarly(self)

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _settle(self) -> None:
        """Dismiss the watcher at once, for the id it would end may soon be another's."""
        if self._watcher is not None:
            _say(self._watcher)
            self._watcher.wait()
            self._watcher = None

    def _family(self) -> list[psutil.Process]:
        """The process and its descendants; empty when it does not run."""
        if self._child is None or not self.running:
            return []
        try:
            parent = psutil.Process(self._child.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _lives(member: psutil.Process) -> bool:
    return _state(member) != psutil.STATUS_ZOMBIE


def _moves(member: psutil.Process) -> bool:
    return _state(member) not in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED)


def _state(member: psutil.Process) -> str:
    try:
        return member.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE


def _watch(group: int, orphaned: signal.Signals) -> subprocess.Popen[bytes]:
    name = orphaned.name.removeprefix("SIG")
    return subprocess.Popen(
        ["/bin/sh", "-c", WATCH, "watch", str(group), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=os.sep,
        start_new_session=True,
    )


def _say(listener: subprocess.Popen[bytes]) -> None:
    assert listener.stdin is not None  # noqa: S101
    with suppress(BrokenPipeError), listener.stdin as pipe:
        pipe.write(b"\n")
