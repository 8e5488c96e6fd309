"""What the runs of several relays come to."""

import pytest

from benchmarks.drain import Run
from benchmarks.log import Arrivals
from benchmarks.peers import compare


def run(rate: float, cpu: float, megabytes: float, repeats: int = 0, inversions: int = 0) -> Run:
    return Run(Arrivals(1_000, repeats, inversions, 1_000 / rate, 0), cpu, megabytes)


RUNS = {
    "debezium": [run(100, 2.0, 900), run(90, 3.0, 1_000, repeats=2), run(200, 2.0, 950)],
    "kafka-python": [run(120, 1.0, 60), run(80, 1.0, 70), run(110, 1.0, 70)],
    "librdkafka": [run(600, 0.2, 80)] * 3,
    "another": [run(10, 9.0, 100, inversions=1), run(20, 9.0, 100, inversions=2), run(10, 9, 90)],
}


def test_medians_are_compared_and_the_highest_peaks() -> None:
    found = {figure.name: figure.value for figure in compare.figures(RUNS)}
    assert found == pytest.approx(
        {
            "debezium.events_per_s": 100,
            "debezium.cpu_s_per_100k": 200,
            "debezium.rss_mb": 1_000,
            "debezium.repeats": 2,
            "debezium.inversions": 0,
            "peers.another.events_per_s": 10,
            "peers.another.cpu_s_per_100k": 900,
            "peers.another.rss_mb": 100,
            "peers.another.repeats": 0,
            "peers.another.inversions": 3,
            "ours.kafka-python.events_per_s": 110,
            "ours.kafka-python.cpu_s_per_100k": 100,
            "ours.kafka-python.rss_mb": 70,
            "ours.librdkafka.events_per_s": 600,
            "ours.librdkafka.cpu_s_per_100k": 20,
            "ours.librdkafka.rss_mb": 80,
            "debezium.kafka-python.rate_ratio": 1.1,
            "debezium.kafka-python.cpu_ratio": 0.5,
            "debezium.kafka-python.rss_ratio": 0.07,
            "debezium.librdkafka.rate_ratio": 6,
            "debezium.librdkafka.cpu_ratio": 0.1,
            "debezium.librdkafka.rss_ratio": 0.08,
            "peers.another.kafka-python.rate_ratio": 11,
            "peers.another.librdkafka.rate_ratio": 60,
        }
    )


def test_our_goals_stand_beside_the_ratios_alone() -> None:
    goals = {figure.name: str(figure.goal) for figure in compare.figures(RUNS) if figure.goal}
    assert goals == {
        "debezium.kafka-python.rate_ratio": ">= 1",
        "debezium.kafka-python.cpu_ratio": "<= 0.5",
        "debezium.librdkafka.rate_ratio": ">= 5",
        "debezium.librdkafka.cpu_ratio": "<= 0.125",
        "debezium.librdkafka.rss_ratio": "<= 0.125",
        "peers.another.kafka-python.rate_ratio": ">= 5",
        "peers.another.librdkafka.rate_ratio": ">= 20",
    }


def test_the_tails_of_the_delays_are_compared() -> None:
    ours, theirs = [float(n) for n in range(1, 101)], [2.0 * n for n in range(1, 101)]
    found = {figure.name: figure.value for figure in compare.live_figures(ours, theirs)}
    assert found == {
        "latency.500.p99_vs_debezium": 0.5,
        "ours.500.p50_ms": 50,
        "ours.500.p99_ms": 99,
        "debezium.500.p50_ms": 100,
        "debezium.500.p99_ms": 198,
    }
