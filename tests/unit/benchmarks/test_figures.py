import json
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.figures import Figure, Goal, Repeat, median_control, median_ratio, table, write_json
from benchmarks.log import Arrivals, DeliveryWrong, Entry, Judge, NotMeasured

FIGURES = [
    Figure("drain.vs_bare", 0.81234567, Goal(">=", 0.75)),
    Figure("drain.rss_mb", 250.0, Goal("<", 200)),
    Figure("drain.events_per_s", 9_300.0),
]


def test_machines_get_one_flat_object_of_numbers() -> None:
    file = StringIO()
    write_json(FIGURES, file)
    assert json.loads(file.getvalue()) == {
        "drain.vs_bare": 0.8123,
        "drain.rss_mb": 250.0,
        "drain.events_per_s": 9300.0,
    }


def test_people_get_a_line_for_each_figure_with_its_goal_and_whether_it_is_met() -> None:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(table(FIGURES))
    words = [line.replace("│", " ").split() for line in shown.get().splitlines() if "│" in line]
    assert words == [
        ["drain.vs_bare", "0.812", ">=", "0.75", "met"],
        ["drain.rss_mb", "250.000", "<", "200", "missed"],
        ["drain.events_per_s", "9,300.000"],
    ]


@pytest.mark.parametrize(
    ("relation", "value", "met"),
    [(">=", 0.75, True), (">=", 0.74, False), ("<", 0.74, True), ("<", 0.75, False)],
)
def test_a_goal_is_met_on_its_side_of_the_limit(relation: str, value: float, met: bool) -> None:
    assert Goal(relation, 0.75).met_by(value) is met


def test_a_run_is_compared_with_the_mean_of_the_bare_runs_around_it() -> None:
    repeat = Repeat(before=12_000, ours=9_000, after=8_000)
    assert repeat.ratio == pytest.approx(0.9)
    assert repeat.control == pytest.approx(1.5)


def test_one_disturbed_repeat_does_not_move_the_median() -> None:
    calm = [Repeat(10_000, 8_000, 10_000), Repeat(10_000, 9_000, 10_000)]
    disturbed = Repeat(10_000, 1_000, 1_000)
    assert median_ratio([*calm, disturbed]) == pytest.approx(0.8)
    assert median_control([*calm, disturbed]) == pytest.approx(1.0)


def test_the_time_of_a_run_is_from_the_first_append_to_the_last() -> None:
    entries = [Entry(5_500, b"b", 2), Entry(5_000, b"a", 1), Entry(7_000, b"a", 3)]
    expected = Arrivals(events=3, repeats=0, inversions=0, seconds=2.0, began=5_000)
    assert Arrivals.of(entries) == expected
    assert Arrivals.of(entries).rate == pytest.approx(1.5)


def test_a_repeat_is_no_inversion_but_a_late_first_arrival_is() -> None:
    repeated = [Entry(0, b"a", 1), Entry(0, b"a", 2), Entry(0, b"a", 1), Entry(0, b"a", 2)]
    inverted = [Entry(0, b"a", 2), Entry(0, b"a", 1), Entry(0, b"b", 3)]
    assert (Arrivals.of(repeated).repeats, Arrivals.of(repeated).inversions) == (2, 0)
    assert Arrivals.of(inverted).inversions == 1


def test_entries_that_are_judged_as_they_come_are_judged_as_all_together() -> None:
    entries = [Entry(at, b"a", at % 7) for at in range(1, 21)]
    judge = Judge()
    for start in range(0, 20, 3):
        judge.take(entries[start : start + 3])
    assert judge.arrivals == Arrivals.of(entries)
    assert judge.arrivals == Arrivals(events=7, repeats=13, inversions=1, seconds=0.019, began=1)


@pytest.mark.parametrize(
    "entries",
    [
        [Entry(0, b"a", 1)],
        [Entry(0, b"a", 1), Entry(0, b"a", 2), Entry(0, b"a", 2)],
        [Entry(0, b"a", 2), Entry(0, b"a", 1)],
    ],
    ids=["lost", "repeated", "inverted"],
)
def test_a_run_that_delivered_wrongly_has_no_figure(entries: list[Entry]) -> None:
    with pytest.raises(DeliveryWrong, match="2 events were to arrive once and in order"):
        Arrivals.of(entries).require(2)


@pytest.mark.parametrize("entries", [[], [Entry(5, b"a", 1)]])
def test_a_run_without_a_duration_has_no_speed(entries: list[Entry]) -> None:
    with pytest.raises(NotMeasured, match="too short"):
        _ = Arrivals.of(entries).rate
