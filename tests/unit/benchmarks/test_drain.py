"""What the rounds of a drain come to."""

from contextlib import nullcontext

import pytest

from benchmarks import drain
from benchmarks.log import Arrivals
from benchmarks.modes import Mode


def run(rate: float, cpu: float = 10.0, megabytes: float = 60.0) -> drain.Run:
    return drain.Run(Arrivals(50_000, 0, 0, 50_000 / rate, 0), cpu, megabytes)


def rounds() -> list[drain.Round]:
    return [
        drain.Round(run(100), run(120), {"at-least-once": run(55), "exactly-once": run(44)}),
        drain.Round(run(200), run(200), {"at-least-once": run(160), "exactly-once": run(144)}),
        drain.Round(
            run(100),
            run(100),
            {"at-least-once": run(70, 12, 90), "exactly-once": run(35, 13, 80)},
        ),
    ]


def test_each_delivery_is_compared_with_the_bare_loops_around_it() -> None:
    found = {figure.name: figure.value for figure in drain.figures("librdkafka", rounds())}
    assert found == pytest.approx(
        {
            "drain.librdkafka.at-least-once.vs_bare": 0.7,
            "drain.librdkafka.at-least-once.events_per_s": 70,
            "drain.librdkafka.at-least-once.rss_mb": 90,
            "drain.librdkafka.at-least-once.cpu_s_per_100k": 20,
            "drain.librdkafka.exactly-once.vs_bare": 0.4,
            "drain.librdkafka.exactly-once.events_per_s": 44,
            "drain.librdkafka.exactly-once.rss_mb": 80,
            "drain.librdkafka.exactly-once.cpu_s_per_100k": 20,
            "drain.librdkafka.exactly-once.vs_at_least_once": 0.8,
            "drain.librdkafka.bare.events_per_s": 110,
            "drain.librdkafka.bare.vs_bare": 1,
            "drain.librdkafka.bare.cpu_s_per_100k": 20,
        }
    )


def test_the_goals_stand_beside_what_they_are_for() -> None:
    goals = {
        figure.name: str(figure.goal)
        for client in ("kafka-python", "librdkafka")
        for figure in drain.figures(client, rounds())
        if figure.goal and not figure.name.endswith("rss_mb")
    }
    assert goals == {
        "drain.kafka-python.at-least-once.vs_bare": ">= 0.9",
        "drain.librdkafka.at-least-once.vs_bare": ">= 0.55",
        "drain.kafka-python.exactly-once.vs_at_least_once": ">= 0.8",
        "drain.librdkafka.exactly-once.vs_at_least_once": ">= 0.8",
    }


@pytest.mark.parametrize(
    ("events", "verdicts"),
    [(100_000, {"", "met", "missed"}), (99_999, {"", "not full size"})],
    ids=["full", "smaller"],
)
def test_a_backlog_below_full_size_is_measured_beside_its_goals_and_not_judged(
    events: int, verdicts: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [*drain.figures("kafka-python", rounds())]
    monkeypatch.setattr(drain, "stage", lambda *_: nullcontext())
    monkeypatch.setattr(drain, "_client", lambda *_: expected)
    found = drain.measure(events, [Mode("kafka-python", "at-least-once")], print)
    assert {figure.verdict for figure in found} == verdicts
    assert [(f.name, f.value, f.goal) for f in found] == [
        (f.name, f.value, f.goal) for f in expected
    ]


def test_one_delivery_alone_is_not_compared_with_the_other() -> None:
    alone = [drain.Round(run(100), run(100), {"exactly-once": run(80)})]
    names = {figure.name for figure in drain.figures("kafka-python", alone)}
    assert not [name for name in names if "at" in name.split(".")[-1].split("_")]


def test_each_delivery_goes_first_in_its_turn() -> None:
    firsts = [drain.in_turn(["a", "b"], number)[0] for number in range(3)]
    assert firsts == ["a", "b", "a"]
