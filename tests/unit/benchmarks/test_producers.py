"""What the publisher is compared with is its own client, made as the publisher makes it."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import bare, floor, producers
from publisher.adapters import kafka_config, kafka_python, librdkafka, librdkafka_config

SERVERS = "one:9092,two:9092"


class Caught(Exception):
    """Ends what would connect; carries the settings."""


def catch(*given: dict[str, Any], **settings: Any) -> None:
    raise Caught(dict(*given, **settings))


@pytest.fixture(autouse=True)
def no_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (producers, "KafkaProducer"),
        (producers, "Producer"),
        (kafka_python, "KafkaProducer"),
        (librdkafka, "Producer"),
    ):
        monkeypatch.setattr(module, name, catch)


@pytest.fixture
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def settings(make: Any, *args: Any, **options: Any) -> dict[str, Any]:
    with pytest.raises(Caught) as caught:
        make(*args, **options)
    found: dict[str, Any] = caught.value.args[0]
    return found


def test_kafka_python_has_the_settings_and_the_partitioner_of_the_publisher() -> None:
    ours = settings(kafka_python.KafkaPythonBroker(SERVERS).open)
    alone = settings(producers.kafka_python, SERVERS)
    assert type(alone.pop("partitioner")) is type(ours.pop("partitioner"))
    del ours["kafka_client"]  # keeps what goes wrong with a connection
    assert alone == ours


def test_librdkafka_has_the_settings_of_the_publisher() -> None:
    ours = settings(librdkafka.LibrdkafkaBroker(SERVERS).open)
    alone = settings(producers.librdkafka, SERVERS)
    del ours["error_cb"], ours["logger"]  # hear what goes wrong with a connection
    assert alone == ours


@pytest.mark.parametrize(
    ("client", "linger"), [("kafka-python", "linger_ms"), ("librdkafka", "linger.ms")]
)
def test_the_floor_never_lingers_whatever_the_publisher_does(
    client: str, linger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for config in (kafka_config, librdkafka_config):
        monkeypatch.setattr(config, "DEFAULTS", {**config.DEFAULTS, linger: 1_000})
    assert settings(floor.CLIENTS[client], SERVERS)[linger] == 0


@pytest.mark.usefixtures("thresholds")
def test_the_bare_loop_spares_the_collector_as_the_publisher_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[int] = []
    monkeypatch.setattr(bare, "prepared", lambda url: iter([]))
    monkeypatch.setitem(bare.SEND, "any", lambda *_: found.append(gc.get_threshold()[0]))
    bare.main("any", "url", SERVERS)
    assert found == [100_000]


@pytest.mark.usefixtures("thresholds")
def test_the_floor_spares_the_collector_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    def client(servers: str) -> tuple[Any, Any]:
        return found.append, lambda: found.append(gc.get_threshold()[0])

    monkeypatch.setitem(floor.CLIENTS, "any", client)
    floor.main("any", SERVERS, "topic", 1_000, 0)
    assert found == [100_000]
