"""The rung of containers, as far as it can be shown without an engine."""

import socket
import time
from contextlib import closing

import pytest

from local import container
from local.container import Container, engine_host
from local.ladder import Unavailable


class Handle:
    """The engine's object: what was asked of it, and the states that follow."""

    name = "kafka"

    def __init__(self) -> None:
        self.status = "running"
        self.asked: list[str] = []

    def reload(self) -> None: ...

    def start(self) -> None:
        self._become("start", "running")

    def stop(self) -> None:
        self._become("stop", "exited")

    def kill(self) -> None:
        self._become("kill", "exited")

    def pause(self) -> None:
        self._become("pause", "paused")

    def unpause(self) -> None:
        assert self.status == "paused", "an engine refuses this"
        self._become("unpause", "running")

    def logs(self, *, tail: int) -> bytes:
        return b"out of memory"

    def _become(self, verb: str, status: str) -> None:
        self.asked.append(verb)
        self.status = status


def test_a_container_that_runs_is_thawed_without_asking_its_engine() -> None:
    handle = Handle()
    Container(handle).thaw()
    assert handle.asked == []


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_a_paused_container_is_woken_before_it_ends(ending: str) -> None:
    handle = Handle()
    engine = Container(handle)
    engine.freeze()
    getattr(engine, ending)()
    engine.start()
    assert handle.asked == ["pause", "unpause", ending, "start"]


def test_a_container_that_ended_by_itself_is_reported_with_its_log() -> None:
    handle = Handle()
    handle.status = "exited"
    with pytest.raises(RuntimeError, match="kafka ended by itself: out of memory"):
        Container(handle).check()


def test_no_engine_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/socket")
    with pytest.raises(Unavailable, match="no container engine answers"):
        engine_host()


def test_an_engine_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "PROBE_SECONDS", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(Unavailable):
            engine_host()
        assert time.monotonic() - began < 5
