import json
import socket
from collections.abc import Iterator

import pytest

from publisher import http
from publisher.errors import ConfigurationInvalid
from publisher.health import STALL, Health
from publisher.http import Sidecar
from publisher.ports import Backlog
from tests.urls import get


class Served:
    """A sidecar whose clock is in the test's hands."""

    def __init__(self, address: str = "127.0.0.1:0") -> None:
        self.now = 0.0
        self.health = Health(lambda: self.now)
        self.sidecar = Sidecar(address, self.health, "blue")

    def get(self, path: str) -> tuple[int, str]:
        return get(f"http://{self.sidecar.address}{path}")

    def samples(self) -> list[str]:
        return self.get("/metrics")[1].splitlines()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.sidecar.close()


def test_a_publisher_is_not_ready_before_its_first_connection(served: Served) -> None:
    status, body = served.get("/readyz")
    assert status == 503
    assert json.loads(body)["waits_for"] == "the first connection"


def test_readiness_names_what_it_waits_for_and_the_lag(served: Served) -> None:
    served.health.measured(Backlog(7, 2.0))
    served.health.parked = ["topic 't', from outbox row 3"]
    served.health.waits_for("topic 'typo' does not exist")
    served.now = 3.0
    status, body = served.get("/readyz")
    assert status == 503
    assert json.loads(body) == {
        "ready": False,
        "waits_for": "topic 'typo' does not exist",
        "lag_seconds": 5.0,
        "lag_rows": 7,
        "set_aside": ["topic 't', from outbox row 3"],
    }
    served.health.goes_on()
    assert served.get("/readyz")[0] == 200


def test_a_loop_that_hangs_is_neither_healthy_nor_ready(served: Served) -> None:
    served.health.turned()
    served.health.goes_on()
    assert served.get("/healthz") == (200, '{"alive": true}\n')
    assert served.get("/readyz")[0] == 200
    served.now += STALL
    assert served.get("/healthz")[0] == 503
    status, body = served.get("/readyz")
    assert status == 503
    assert "has not turned for 60 s" in json.loads(body)["waits_for"]
    assert 'outbox_publisher_ready{name="blue"} 0.0' in served.samples()


def test_metrics_carry_the_lag_and_the_counts_of_this_publisher(served: Served) -> None:
    served.health.measured(Backlog(7, 2.0))
    served.health.acknowledged = 12
    served.health.waits_for("no broker")
    served.now = 1.5
    lines = served.samples()
    assert 'outbox_publisher_lag_seconds{name="blue"} 3.5' in lines
    assert 'outbox_publisher_lag_rows{name="blue"} 7.0' in lines
    assert 'outbox_publisher_records_acknowledged_total{name="blue"} 12.0' in lines
    assert 'outbox_publisher_waits_total{name="blue"} 1.0' in lines
    assert 'outbox_publisher_position_age_seconds{name="blue"} 1.5' in lines
    assert 'outbox_publisher_ready{name="blue"} 0.0' in lines


def test_a_lag_that_nobody_measured_is_unknown_and_not_zero(served: Served) -> None:
    for _ in range(2):
        state = json.loads(served.get("/readyz")[1])
        assert (state["lag_seconds"], state["lag_rows"]) == (None, None)
        assert not [line for line in served.samples() if line.startswith("outbox_publisher_lag_")]
        served.health.measured(Backlog(0, 0.0))
        assert 'outbox_publisher_lag_rows{name="blue"} 0.0' in served.samples()
        served.health.out_of_sight()


def test_another_path_lists_the_endpoints(served: Served) -> None:
    status, body = served.get("/")
    assert status == 404
    assert json.loads(body) == {"endpoints": ["/healthz", "/metrics", "/readyz"]}


def test_an_address_in_use_is_an_error_that_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationInvalid, match="PUBLISHER_HTTP"):
            Sidecar(address, Health(), "blue")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_address_of_ipv6_stands_in_brackets() -> None:
    try:
        served = Served("[::1]:0")
    except ConfigurationInvalid as exc:
        pytest.skip(f"this machine has no loopback of IPv6: {exc}")
    try:
        assert served.sidecar.address.startswith("[::1]:")
        assert served.get("/healthz")[0] == 200
    finally:
        served.sidecar.close()


def test_who_connects_and_asks_nothing_is_hung_up_on_without_a_traceback(
    served: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert http._Handler.timeout == 10
    monkeypatch.setattr(http._Handler, "timeout", 0.1)
    host, _, port = served.sidecar.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as silent:
        assert silent.recv(1) == b""
    assert "Traceback" not in capfd.readouterr().err
