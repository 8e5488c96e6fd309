"""Servers in containers, where an engine answers; their addresses survive a restart."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from local.ladder import Unavailable
from local.ports import LOOPBACK

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

LOCAL = {"localhost", LOOPBACK, "::1"}

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
    return LOOPBACK if host in LOCAL else host


@contextmanager
def container(
    image: str,
    *,
    host: str,
    inside: int,
    port: int,
    env: Mapping[str, str],
    command: Sequence[str] = (),
) -> Iterator[Container]:
    """A container whose port `inside` is `port` of `host`; Unavailable if the engine cannot."""
    with ExitStack() as stack:
        try:
            described = _described(image, env, command)
            described.ports[f"{inside}/tcp"] = _bound(host, port)
            running = stack.enter_context(described)
        except Exception as refusal:  # of the engine, of HTTP, of the registry
            raise Unavailable(f"the engine cannot run {image}: {refusal}") from refusal
        yield Container(running.get_wrapped_container())


def _described(image: str, env: Mapping[str, str], command: Sequence[str]) -> "DockerContainer":
    from testcontainers.core.container import DockerContainer

    described = DockerContainer(image).with_envs(**env)
    return described.with_command(list(command)) if command else described


def _bound(host: str, port: int) -> Any:
    """Where a port opens, which is ours to choose: a random one changes at each start."""
    # Only an engine of this machine can keep it from the network.
    return (LOOPBACK, port) if host == LOOPBACK else port
