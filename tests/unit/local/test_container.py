"""The rung of containers, as far as it can be shown without an engine."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Self

import pytest
from testcontainers.core import container as testcontainers
from testcontainers.core.docker_client import DockerClient

from local import container, kafka, postgres
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


@pytest.mark.parametrize(
    ("told", "host"), [("localhost", "127.0.0.1"), ("172.17.0.1", "172.17.0.1")]
)
def test_an_engine_of_this_machine_is_reached_by_the_loopback_interface(
    told: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Engine:
        client = type("Client", (), {"ping": staticmethod(lambda: True)})

        def __init__(self, **_: object) -> None: ...

        def host(self) -> str:
            return told

    monkeypatch.setattr("testcontainers.core.docker_client.DockerClient", Engine)
    assert engine_host() == host


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What engines were asked to run; they run nothing."""
    asked: list[Any] = []

    def start(self: Any) -> Any:
        asked.append(self)
        self._container = Handle()
        return self

    monkeypatch.setattr(DockerClient, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(testcontainers.DockerContainer, "start", start)
    monkeypatch.setattr(testcontainers.DockerContainer, "stop", lambda *_: None)
    return asked


@pytest.mark.parametrize(
    ("host", "bound"), [("127.0.0.1", ("127.0.0.1", 15_000)), ("172.17.0.1", 15_000)]
)
def test_only_this_machine_reaches_the_port_where_the_engine_can_see_to_that(
    described: list[Any], host: str, bound: object
) -> None:
    with container.container(
        "image", host=host, inside=9092, port=15_000, env={"A": "b"}
    ) as engine:
        engine.check()
    [asked] = described
    assert (asked.image, asked.ports, asked.env) == ("image", {"9092/tcp": bound}, {"A": "b"})


def test_an_engine_without_its_registry_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: Any) -> None:
        raise OSError("registry: no such host")

    monkeypatch.setattr(DockerClient, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(testcontainers.DockerContainer, "start", start)
    monkeypatch.setattr(testcontainers.DockerContainer, "stop", lambda *_: None)
    with (
        pytest.raises(Unavailable, match=r"cannot run kafka:4: registry: no such host"),
        container.container("kafka:4", host="127.0.0.1", inside=9092, port=15_000, env={}),
    ):
        pass


def test_an_error_of_the_user_of_a_container_stays_what_it_is(described: list[Any]) -> None:
    with (
        pytest.raises(OSError, match="disk full"),
        container.container("kafka:4", host="127.0.0.1", inside=9092, port=15_000, env={}),
    ):
        raise OSError("disk full")


class Run:
    """The containers that a module of ours runs, by the words that it uses."""

    def __init__(self) -> None:
        self.words: dict[str, Any] = {}

    @contextmanager
    def __call__(self, image: str, **words: Any) -> Iterator[Container]:
        self.words = words
        yield Container(Handle())

    def on(self, module: object, monkeypatch: pytest.MonkeyPatch) -> Self:
        monkeypatch.setattr(module, "engine_host", lambda: "172.17.0.1")
        monkeypatch.setattr(module, "container", self)
        return self


def test_postgres_keeps_the_socket_by_which_its_image_prepares_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run().on(postgres, monkeypatch)
    with postgres.contained(fsync=False) as server:
        assert server.url == f"postgresql://postgres:outbox@172.17.0.1:{run.words['port']}/postgres"
    program, *options = run.words["command"]
    assert program == "postgres"
    assert options[::2] == ["-c"] * (len(options) // 2)
    settings = dict(option.split("=") for option in options[1::2])
    assert "unix_socket_directories" not in settings
    assert (settings["listen_addresses"], settings["fsync"]) == ("*", "off")
    assert int(settings["max_prepared_transactions"]) > 0
    assert run.words["env"] == {"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": "outbox"}
    assert (run.words["host"], run.words["inside"]) == ("172.17.0.1", 5432)


def test_kafka_tells_others_the_way_in_and_reaches_itself_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run().on(kafka, monkeypatch)
    with kafka.contained() as broker:
        address = f"172.17.0.1:{run.words['port']}"
        assert broker.bootstrap_servers == address
    env = run.words["env"]
    listeners = dict(each.split("://") for each in env["KAFKA_LISTENERS"].split(","))
    advertised = dict(each.split("://") for each in env["KAFKA_ADVERTISED_LISTENERS"].split(","))
    protocols = env["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert listeners["PLAINTEXT"] == f":{run.words['inside']}"
    assert advertised["PLAINTEXT"] == address
    assert advertised["INTERNAL"] == listeners["INTERNAL"] == "localhost:9094"
    assert {each.split(":")[0] for each in protocols} == set(listeners)
    assert env["KAFKA_INTER_BROKER_LISTENER_NAME"] == "INTERNAL"
    assert env["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
