"""What the runs of several relays come to."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from benchmarks.drain import Round, Run
from benchmarks.log import Arrivals
from benchmarks.peers import compare


def run(rate: float, cpu: float, megabytes: float, repeats: int = 0, inversions: int = 0) -> Run:
    return Run(Arrivals(1_000, repeats, inversions, 1_000 / rate, 0), cpu, megabytes)


def chain(theirs: list[Run], *ours: dict[str, Run]) -> list[Round]:
    """Rounds in which each of ours stands between two of theirs."""
    return [Round(*around, each) for around, each in zip(pairwise(theirs), ours, strict=True)]


def both(python: Run, librdkafka: Run) -> dict[str, Run]:
    return {"kafka-python": python, "librdkafka": librdkafka}


ROUNDS = {
    "debezium": chain(
        [run(100, 2.0, 900), run(60, 3.0, 1_000, repeats=2), run(40, 2.0, 950), run(160, 2, 90)],
        both(run(120, 1.0, 60), run(400, 0.25, 80)),
        both(run(50, 1.0, 70), run(300, 0.25, 80)),
        both(run(90, 1.0, 70), run(700, 0.25, 80)),
    ),
    "another": chain(
        [run(10, 9.0, 100, inversions=1), run(30, 9.0, 100, inversions=2)],
        both(run(110, 2.0, 70), run(800, 0.5, 90)),
    ),
}


def test_each_of_ours_is_compared_with_the_runs_of_the_other_around_it() -> None:
    found = {figure.name: figure.value for figure in compare.figures(ROUNDS)}
    assert found == pytest.approx(
        {
            "debezium.events_per_s": 80,
            "debezium.cpu_s_per_100k": 200,
            "debezium.rss_mb": 1_000,
            "debezium.repeats": 2,
            "debezium.inversions": 0,
            "debezium.vs_itself": 1.5,
            "peers.another.events_per_s": 20,
            "peers.another.cpu_s_per_100k": 900,
            "peers.another.rss_mb": 100,
            "peers.another.repeats": 0,
            "peers.another.inversions": 3,
            "peers.another.vs_itself": 1 / 3,
            "ours.kafka-python.events_per_s": 100,
            "ours.kafka-python.cpu_s_per_100k": 100,
            "ours.kafka-python.rss_mb": 70,
            "ours.librdkafka.events_per_s": 550,
            "ours.librdkafka.cpu_s_per_100k": 25,
            "ours.librdkafka.rss_mb": 90,
            "debezium.kafka-python.rate_ratio": 1,
            "debezium.kafka-python.cpu_ratio": 0.4,
            "debezium.kafka-python.rss_ratio": 0.07,
            "debezium.librdkafka.rate_ratio": 6,
            "debezium.librdkafka.cpu_ratio": 0.1,
            "debezium.librdkafka.rss_ratio": 0.08,
            "peers.another.kafka-python.rate_ratio": 5.5,
            "peers.another.librdkafka.rate_ratio": 40,
        }
    )


def test_our_goals_stand_beside_the_ratios_alone() -> None:
    goals = {figure.name: str(figure.goal) for figure in compare.figures(ROUNDS) if figure.goal}
    assert goals == {
        "debezium.kafka-python.rate_ratio": ">= 1",
        "debezium.kafka-python.cpu_ratio": "<= 0.5",
        "debezium.librdkafka.rate_ratio": ">= 5",
        "debezium.librdkafka.cpu_ratio": "<= 0.125",
        "debezium.librdkafka.rss_ratio": "<= 0.125",
        "peers.another.kafka-python.rate_ratio": ">= 5",
        "peers.another.librdkafka.rate_ratio": ">= 20",
    }


def test_the_tail_of_each_run_is_compared_with_those_around_it() -> None:
    def delays(each: float) -> list[float]:
        return [each * n for n in range(1, 101)]

    ours, theirs = [delays(1), delays(3)], [delays(1), delays(3), delays(9)]
    found = {figure.name: figure.value for figure in compare.live_figures(ours, theirs)}
    assert found == pytest.approx(
        {
            "latency.500.p99_vs_debezium": 0.5,
            "debezium.500.p99_vs_itself": 1 / 3,
            "ours.500.p50_ms": 75,
            "ours.500.p99_ms": 294,
            "debezium.500.p50_ms": 114,
            "debezium.500.p99_ms": 873,
        }
    )


def test_ours_and_the_other_take_turns_and_ours_begin_in_turn() -> None:
    order: list[str] = []

    def contestant(name: str) -> Callable[[], Run]:
        def drain() -> Run:
            order.append(name)
            return run(len(order), 1, 1)

        return drain

    ours = {name: contestant(name) for name in ("a", "b")}
    rounds = compare._rounds("other", contestant("other"), ours, lambda said: None)
    assert order[:7] == ["other", "a", "b", "other", "b", "a", "other"]
    assert len(rounds) == compare.REPEATS
    assert [each.before for each in rounds[1:]] == [each.after for each in rounds[:-1]]
