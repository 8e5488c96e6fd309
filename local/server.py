"""What a test may do to a server, whichever way it is run."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol


class Engine(Protocol):
    """Runs a server: a process of ours, several, or a container.

    After `kill()`, `stop()` and `start()` the server has its old address and, where it keeps data,
    its data. `start()` does not wait until the server answers.
    """

    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> object: ...
    def kill(self) -> object: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def check(self) -> None:
        """Raise when the server ended by itself."""


class NotOurs(Exception):
    """The server was named by the environment: it is not ours to stop."""


class NotReady(Exception):
    """The server did not answer in time."""


class Server:
    """A running server, with the breakdowns that a test can give it."""

    def __init__(self, engine: Engine | None, answers: Callable[[], bool]) -> None:
        self._engine = engine
        self._answers = answers

    @property
    def ours(self) -> bool:
        """Whether it can be stopped and broken: False for a server that the environment names."""
        return self._engine is not None

    @property
    def pid(self) -> int | None:
        """The id of its process, None where it is no process of ours or does not run."""
        return self._engine.pid if self._engine is not None else None

    def start(self, timeout: float = 60.0) -> None:
        """Start it (again), with the old address and data; returns when it answers."""
        self._own.start()
        self.wait(timeout)

    def stop(self) -> None:
        """End it politely."""
        self._own.stop()

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._own.kill()

    def freeze(self) -> None:
        """Let it stand still: connections stay open, nothing answers."""
        self._own.freeze()

    def thaw(self) -> None:
        self._own.thaw()

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until it answers; NotReady after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self._engine is not None:
                self._engine.check()
            if time.monotonic() > deadline:
                raise NotReady(f"{self!r} did not answer within {timeout:g} s.")
            time.sleep(0.02)

    @property
    def _own(self) -> Engine:
        if self._engine is None:
            raise NotOurs(f"{self!r} is not ours to stop: unset the variable that names it.")
        return self._engine


class Fleet:
    """Several engines as one."""

    def __init__(self, members: Sequence[Engine]) -> None:
        self.members = members

    @property
    def pid(self) -> int | None:
        return self.members[0].pid

    def start(self) -> None:
        for member in self.members:
            member.start()

    def stop(self) -> None:
        # All at once: the last of a quorum would wait for the others in vain.
        with ThreadPoolExecutor(len(self.members)) as together:
            list(together.map(lambda member: member.stop(), self.members))

    def kill(self) -> None:
        for member in self.members:
            member.kill()

    def freeze(self) -> None:
        for member in self.members:
            member.freeze()

    def thaw(self) -> None:
        for member in self.members:
            member.thaw()

    def check(self) -> None:
        for member in self.members:
            member.check()
