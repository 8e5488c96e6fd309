"""Debezium reads the log of the whole cluster: it may run in its own turns alone."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import httpx
import pytest

from benchmarks import live
from benchmarks.log import Arrivals
from benchmarks.peers import debezium
from benchmarks.peers.debezium import Debezium


class Connect:
    """Kafka Connect with one connector, and what else a relay of it needs; it tells what was done
    in which state."""

    cpu_seconds = megabytes = 1.0

    def __init__(self) -> None:
        self.state = "STOPPED"
        self.seen: list[tuple[str, str]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/stop":
                self.state = "STOPPED"
            case "/resume":
                self.state = "RUNNING"
        connector = {"state": self.state}
        tasks = [connector] if self.state == "RUNNING" else []
        return httpx.Response(200, text=json.dumps({"connector": connector, "tasks": tasks}))

    def look(self) -> None:
        pass

    def note(self, what: str) -> bool:
        self.seen.append((what, self.state))
        return True

    def whatever_arrives(self, events: int, run: Callable[[Callable[[], bool]], None]) -> Arrivals:
        run(lambda: self.note("arrived"))
        self.note("read")
        return Arrivals(events, 0, 0, 1.0, 0)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    connect = Connect()
    monkeypatch.setattr(debezium, "record", lambda *_: connect.note("record"))
    monkeypatch.setattr(debezium, "live", lambda *_: connect.note("live"))
    monkeypatch.setattr(live.Ear, "on", lambda *_, **__: nullcontext())
    monkeypatch.setattr(debezium, "_slot_is_read", lambda url: connect.state == "RUNNING")
    return connect


@pytest.fixture
def relay(connect: Connect) -> Debezium:
    api = httpx.Client(base_url="http://connect", transport=httpx.MockTransport(connect.answer))
    parts: Any = connect
    parts.topic = "topic"
    return Debezium(parts, api, "url", parts)


def test_a_drain_begins_and_ends_with_a_connector_that_is_stopped(
    relay: Debezium, connect: Connect
) -> None:
    relay.drain(10)
    assert connect.seen == [("record", "STOPPED"), ("arrived", "RUNNING"), ("read", "STOPPED")]


def test_a_warm_up_leaves_the_connector_stopped(relay: Debezium, connect: Connect) -> None:
    relay.warm_up(10)
    assert connect.seen[:2] == [("record", "RUNNING"), ("arrived", "RUNNING")]
    assert connect.state == "STOPPED"


def test_live_events_leave_the_connector_stopped(relay: Debezium, connect: Connect) -> None:
    relay.live(500, 1)
    assert connect.seen == [("live", "RUNNING")]
    assert connect.state == "STOPPED"
