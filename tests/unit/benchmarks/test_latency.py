"""What delays come to."""

import pytest

from benchmarks import commit, latency
from benchmarks.figures import percentile
from benchmarks.live import require_pace
from benchmarks.log import NotMeasured
from benchmarks.modes import FASTEST, Mode, foremost, titled

OTHER = Mode("kafka-python", "at-least-once")


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([3, 1, 2], 50, 2), ([1], 99, 1), (range(1, 101), 99, 99), (range(1, 1_001), 99, 990)],
)
def test_a_percentile_is_a_value_that_was_seen(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_all_runs_count_together_and_the_control_is_how_far_the_floors_lie_apart() -> None:
    floors, ours = [[4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], [[10.0, 10.0], [12.0, 90.0]]
    found = {f.name: f.value for f in latency.figures("latency", 500, floors, ours)}
    assert found == {
        "latency.500.p50_over_floor_ms": 4.0,
        "latency.500.p50_ms": 10.0,
        "latency.500.p99_ms": 90.0,
        "latency.500.floor_p50_ms": 6.0,
        "latency.500.floor_p99_ms": 9.0,
        "latency.500.control_ms": 3.0,
    }


def test_a_writer_that_does_not_keep_the_pace_has_no_figure() -> None:
    require_pace([n / 100 for n in range(100)], 100)
    with pytest.raises(NotMeasured, match="200/s were to be written, and only 100/s were"):
        require_pace([n / 100 for n in range(100)], 200)


def test_what_is_measured_of_one_mode_is_measured_of_the_fastest() -> None:
    assert foremost([OTHER, FASTEST]) == FASTEST
    assert foremost([OTHER]) == OTHER


def test_a_figure_of_another_mode_than_the_fastest_says_so() -> None:
    assert titled("latency", FASTEST) == "latency"
    assert titled("latency", OTHER) == "latency.kafka-python.at-least-once"


def test_a_wait_is_a_commit_only_where_there_are_transactions() -> None:
    found = {Mode("librdkafka", "exactly-once"): [3.0, 4.0, 9.0], OTHER: [1.0]}
    assert {f.name: f.value for f in commit.figures(found)} == {
        "exactly_once.librdkafka.idle_commit_ms": 4.0,
        "exactly_once.kafka-python.without_transaction_ms": 1.0,
    }
