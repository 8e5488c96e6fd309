import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from publisher.errors import ConfigurationInvalid
from publisher.health import STALL, Health
from publisher.http import Pages
from publisher.ports import Backlog


class Sidecar:
    def __init__(self) -> None:
        self.now = 0.0
        self.health = Health(lambda: self.now)
        self.pages = Pages("127.0.0.1:0", self.health, "blue")

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{self.pages.address}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read().decode()


@pytest.fixture
def sidecar() -> Iterator[Sidecar]:
    sidecar = Sidecar()
    yield sidecar
    sidecar.pages.close()


def test_a_publisher_is_not_ready_before_its_first_connection(sidecar: Sidecar) -> None:
    status, body = sidecar.get("/readyz")
    assert status == 503
    assert json.loads(body)["waits_for"] == "the first connection"


def test_readiness_names_what_it_waits_for_and_the_lag(sidecar: Sidecar) -> None:
    sidecar.health.measured(Backlog(7, 2.0))
    sidecar.health.waits_for("topic 'typo' does not exist")
    sidecar.now = 3.0
    status, body = sidecar.get("/readyz")
    assert status == 503
    assert json.loads(body) == {
        "ready": False,
        "waits_for": "topic 'typo' does not exist",
        "lag_seconds": 5.0,
        "lag_rows": 7,
    }
    sidecar.health.goes_on()
    assert sidecar.get("/readyz")[0] == 200


def test_a_loop_that_hangs_is_not_healthy(sidecar: Sidecar) -> None:
    sidecar.health.turned()
    assert sidecar.get("/healthz") == (200, '{"alive": true}\n')
    sidecar.now += STALL
    assert sidecar.get("/healthz")[0] == 503


def test_metrics_carry_the_lag_and_the_counts_of_this_publisher(sidecar: Sidecar) -> None:
    sidecar.health.measured(Backlog(7, 2.0))
    sidecar.health.acknowledged = 12
    sidecar.health.waits_for("no broker")
    sidecar.now = 1.5
    lines = sidecar.get("/metrics")[1].splitlines()
    assert 'outbox_publisher_lag_seconds{name="blue"} 3.5' in lines
    assert 'outbox_publisher_lag_rows{name="blue"} 7.0' in lines
    assert 'outbox_publisher_acknowledged_total{name="blue"} 12.0' in lines
    assert 'outbox_publisher_retries_total{name="blue"} 1.0' in lines
    assert 'outbox_publisher_position_age_seconds{name="blue"} 1.5' in lines
    assert 'outbox_publisher_ready{name="blue"} 0.0' in lines


def test_another_path_lists_the_pages(sidecar: Sidecar) -> None:
    status, body = sidecar.get("/")
    assert status == 404
    assert json.loads(body) == {"pages": ["/healthz", "/metrics", "/readyz"]}


def test_an_address_in_use_is_an_error_that_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationInvalid, match="PUBLISHER_HTTP"):
            Pages(address, Health(), "blue")
