"""Which modes of the publisher are measured."""

from collections.abc import Mapping

import pytest

from benchmarks import modes
from benchmarks.modes import MODES, Mode, present


def test_there_are_two_deliveries_through_each_client() -> None:
    assert list(map(str, MODES)) == [
        "kafka-python.at-least-once",
        "kafka-python.exactly-once",
        "librdkafka.at-least-once",
        "librdkafka.exactly-once",
    ]


def test_every_mode_is_measured() -> None:
    assert present(MODES, pytest.fail) == MODES


def test_a_mode_that_is_missing_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    packages: Mapping[str, object] = {"kafka": object()}
    monkeypatch.setattr(modes, "find_spec", packages.get)
    said: list[str] = []
    found = present(
        [Mode("kafka-python", "at-least-once"), Mode("librdkafka", "never")], said.append
    )
    assert found == [Mode("kafka-python", "at-least-once")]
    assert said == ["librdkafka.never is skipped: the package confluent_kafka is not installed"]
