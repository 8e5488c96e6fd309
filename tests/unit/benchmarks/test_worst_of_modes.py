"""What is promised of all modes is the figure of the worst."""

import pytest

from benchmarks import backlog, disturbed, idle, large
from benchmarks.drain import Run
from benchmarks.figures import Figure
from benchmarks.log import Arrivals
from benchmarks.modes import MODES

ONE, TWO, *_ = MODES


def values(figures: list[Figure]) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures}


def run(rate: float = 100, megabytes: float = 0, began: int = 0) -> Run:
    return Run(Arrivals(1_000, 0, 0, 1_000 / rate, began), 1.0, megabytes, started=10.0)


def test_the_idlest_hides_no_other() -> None:
    found = [*idle.figures({ONE: idle.Idle(0.5, 0), TWO: idle.Idle(1.5, 8_192)})]
    assert values(found) == {
        "idle.cpu_percent": 1.5,
        "idle.position_growth_bytes": 8_192,
        f"idle.{ONE}.cpu_percent": 0.5,
        f"idle.{TWO}.cpu_percent": 1.5,
    }
    assert [figure.verdict for figure in found] == ["missed", "missed", "", ""]


def test_the_smallest_hides_no_other() -> None:
    found = [*large.figures({ONE: run(megabytes=320), TWO: run(megabytes=120)})]
    assert values(found)["large.1mb.rss_mb"] == 320
    assert found[0].verdict == "missed"


def test_a_huge_backlog_is_compared_with_the_usual_ones_around_it() -> None:
    usuals = [run(100), run(200), run(100)]
    huges = [run(150, 120, began=12_000), run(120, 140, began=11_500)]
    assert values([*backlog.figures("backlog.5m", usuals, huges)]) == pytest.approx(
        {
            "backlog.5m.first_record_s": 2.0,
            "backlog.5m.rss_mb": 140,
            "backlog.5m.rate_vs_500k": 0.9,
            "backlog.5m.events_per_s": 135,
        }
    )


def test_a_disturbance_is_compared_with_the_calm_around_it() -> None:
    slow = {"open_outbox_writer": 110.0, "open_foreign_writer": 99.0, "old_snapshot": 11.0}
    found = [*disturbed.figures("disturbed", [disturbed.Round(100, 120, slow)])]
    assert values(found) == {
        "disturbed.open_outbox_writer.vs_undisturbed": 1.0,
        "disturbed.open_foreign_writer.vs_undisturbed": 0.9,
        "disturbed.old_snapshot.vs_undisturbed": 0.1,
        "disturbed.undisturbed.vs_undisturbed": 100 / 120,
    }
    assert [figure.verdict for figure in found] == ["met", "missed", "missed", ""]
