"""A mode is chosen by its name, and one that cannot be run is refused before anything starts."""

import pytest

from benchmarks.modes import Mode
from tests.chaos import mode
from tests.chaos.mode import named, written


def test_a_mode_is_written_and_read_as_client_and_delivery() -> None:
    assert named("kafka-python/at-least-once") == Mode("kafka-python", "at-least-once")
    assert written(Mode("kafka-python", "at-least-once")) == "kafka-python/at-least-once"


def test_a_mode_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(SystemExit, match=r"'kafka-python' is none of kafka-python/at-least-once"):
        named("kafka-python")


def test_a_mode_that_the_publisher_lacks_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mode, "refusal", lambda mode: "the package x is not installed")
    with pytest.raises(SystemExit, match="MODE=librdkafka/exactly-once: the package x"):
        named("librdkafka/exactly-once")
