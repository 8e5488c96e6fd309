"""A link does what its weather says, and lets go at the end."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread

import pytest

from local.ports import LOOPBACK, free_ports
from tests.chaos.link import Link
from tests.waiting import eventually


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server((LOOPBACK, 0)) as server:
        Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with connection:
        try:
            while said := connection.recv(4096):
                connection.sendall(said)
        except OSError:
            return


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def link(echo: int, port: int) -> Iterator[Link]:
    with Link({port: echo}) as link:
        yield link


def connect(port: int) -> socket.socket:
    return socket.create_connection((LOOPBACK, port), timeout=10)


def say(client: socket.socket, words: bytes) -> bytes:
    client.sendall(words)
    heard = b""
    while len(heard) < len(words):
        more = client.recv(4096)
        if not more:
            break
        heard += more
    return heard


def refuses(port: int) -> bool:
    try:
        with connect(port) as client:
            return not client.recv(1)
    except ConnectionError:
        return True


def test_what_is_said_comes_back_unchanged(link: Link, port: int) -> None:
    words = bytes(range(256)) * 1000
    with connect(port) as client:
        Thread(target=client.sendall, args=(words,)).start()
        heard = b""
        while len(heard) < len(words):
            heard += client.recv(65536)
        assert heard == words


def test_a_cut_resets_who_is_connected_and_who_connects_until_it_is_mended(
    link: Link, port: int
) -> None:
    with connect(port) as client:
        assert say(client, b"a") == b"a"
        link.cut()
        with pytest.raises(ConnectionError):
            say(client, b"b" * 10)
            say(client, b"c")
    assert refuses(port)
    link.mend()
    with connect(port) as client:
        assert say(client, b"e") == b"e"


def test_a_delay_holds_back_each_way_and_ends_at_once(link: Link, port: int) -> None:
    with connect(port) as client:
        link.delay = 0.2
        started = time.monotonic()
        assert say(client, b"a") == b"a"
        assert time.monotonic() - started >= 0.4
        link.delay = 3600
        Thread(target=client.sendall, args=(b"b",)).start()
        time.sleep(0.1)  # it is on its way
        link.mend()
        assert client.recv(1) == b"b"


def test_a_rate_holds_back_by_the_byte(link: Link, port: int) -> None:
    with connect(port) as client:
        link.rate = 10_000
        started = time.monotonic()
        assert say(client, b"a" * 2000) == b"a" * 2000
        assert time.monotonic() - started >= 0.4


def test_the_end_of_a_connection_is_passed_on_and_nothing_is_left(link: Link, port: int) -> None:
    with connect(port) as client:
        assert say(client, b"a") == b"a"
        assert link._writers
    eventually(lambda: not link._writers)


def test_a_link_whose_server_takes_no_more_connections_ends_without_a_word(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server((LOOPBACK, 0), backlog=0) as full, ExitStack() as waiting:
        target = full.getsockname()[1]
        with Link({port: target}) as link:
            for _ in range(5):
                waiting.enter_context(connect(port))
            eventually(lambda: link.connections == 5)
    assert caplog.messages == []
