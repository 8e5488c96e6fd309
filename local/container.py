"""Servers in containers, where an engine answers; their addresses survive a restart."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from local.ladder import Unavailable

# Long enough for an engine that works, short enough to be waited for on machines without one.
PROBE_SECONDS = 2


class Handle(Protocol):
    """What we use of the engine's own object."""

    name: str
    status: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def unpause(self) -> None: ...
    def reload(self) -> None: ...
    def logs(self, *, tail: int) -> bytes: ...


class Container:
    """A container as the engine of a server."""

    pid = None

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def start(self) -> None:
        self._handle.start()

    def stop(self) -> None:
        self.thaw()
        self._handle.stop()

    def kill(self) -> None:
        self.thaw()
        self._handle.kill()

    def freeze(self) -> None:
        self._handle.pause()

    def thaw(self) -> None:
        if self._status() == "paused":
            self._handle.unpause()

    def check(self) -> None:
        """Raise RuntimeError when the container ended by itself."""
        if self._status() == "exited":
            tail = self._handle.logs(tail=20).decode(errors="replace")
            raise RuntimeError(f"The container {self._handle.name} ended by itself: {tail}")

    def _status(self) -> str:
        self._handle.reload()
        return self._handle.status


def engine_host() -> str:
    """The host where containers' ports appear; Unavailable unless an engine answers at once."""
    try:
        from testcontainers.core.docker_client import DockerClient
    except ImportError as missing:
        raise Unavailable("the package testcontainers is not installed") from missing
    try:
        engine = DockerClient(timeout=PROBE_SECONDS)
        engine.client.ping()
        host: str = engine.host()
    except Exception as silence:  # of the engine, of HTTP, of ssh, of its configuration
        raise Unavailable("no container engine answers") from silence
    return host


@contextmanager
def container(
    image: str, *, inside: int, port: int, env: Mapping[str, str], command: Sequence[str] = ()
) -> Iterator[Container]:
    """A container whose port `inside` is `port` here.

    The port is chosen by us, since a random one changes when the container is started again.
    """
    from testcontainers.core.container import DockerContainer

    described = DockerContainer(image).with_bind_ports(inside, port)
    for name, value in env.items():
        described = described.with_env(name, value)
    if command:
        described = described.with_command(list(command))
    with described as running:
        yield Container(running.get_wrapped_container())
