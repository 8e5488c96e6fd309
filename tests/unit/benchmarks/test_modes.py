"""Which modes of the publisher are measured."""

from collections.abc import Mapping
from typing import Literal

import pytest

from benchmarks import modes
from benchmarks.modes import MODES, Mode, present
from publisher.config import Config


class Rich(Config):
    """The settings of a publisher that has another delivery."""

    delivery: Literal["at-least-once", "exactly-once"] = "at-least-once"  # type: ignore[assignment]


def test_there_are_two_deliveries_through_each_client() -> None:
    assert list(map(str, MODES)) == [
        "kafka-python.at-least-once",
        "kafka-python.exactly-once",
        "librdkafka.at-least-once",
        "librdkafka.exactly-once",
    ]


def test_a_mode_is_measured_as_soon_as_the_publisher_takes_its_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(modes, "Config", Rich)
    kafka_python = [mode for mode in MODES if mode.client == "kafka-python"]
    assert present(kafka_python, pytest.fail) == kafka_python


def test_a_mode_that_is_missing_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    packages: Mapping[str, object] = {"kafka": object()}
    monkeypatch.setattr(modes, "find_spec", packages.get)
    said: list[str] = []
    found = present(
        [Mode("kafka-python", "at-least-once"), Mode("librdkafka", "never")], said.append
    )
    assert found == [Mode("kafka-python", "at-least-once")]
    assert said == ["librdkafka.never is skipped: the package confluent_kafka is not installed"]
