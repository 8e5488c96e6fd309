"""What a run of the benchmarks leaves, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import drain, window, write
from benchmarks.__main__ import main
from benchmarks.figures import Figure, Repeat
from benchmarks.log import NotMeasured

REQUIRED = {
    "drain.kafka-python.at-least-once.vs_bare",
    "drain.kafka-python.at-least-once.rss_mb",
    "window.small_behind_5m.ms",
    "write.extra_per_event_1.vs_create",
    "write.extra_per_event_20.vs_create",
    "write.bulk_create_10k.vs_uncaptured",
}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bench.json"
    monkeypatch.setenv("BENCH_JSON", str(path))
    return path


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Tells what the benchmarks find; by default they meet their goals."""

    def tell(
        ours: float = 9_000, megabytes: float = 80, small: float = 0.4, one: float = 0.5
    ) -> None:
        usage = [drain.Usage(megabytes, 16.0)]
        found = [*drain.speed([Repeat(10_000, ours, 10_000)]), *drain.cost(usage, [14.0], 100_000)]
        windows = window.figures([[small]], [[1.1]])
        monkeypatch.setattr(drain, "measure", lambda events, say: found)
        monkeypatch.setattr(window, "measure", lambda say: windows)
        monkeypatch.setattr(write, "measure", lambda say: write.figures(one, 0.1, 1, 1.5, 20))

    tell()
    return tell


def test_the_figures_that_others_read_keep_their_names(results: Path) -> None:
    results.write_text("older figures")
    assert main([]) == 0
    figures = json.loads(results.read_text())
    assert set(figures) >= REQUIRED
    assert figures["drain.kafka-python.at-least-once.vs_bare"] == 0.9
    assert figures["drain.kafka-python.at-least-once.rss_mb"] == 80
    assert figures["window.small_behind_5m.ms"] == 0.4


@pytest.mark.parametrize("miss", [{"ours": 7_000}, {"megabytes": 200}, {"small": 5}, {"one": 0.7}])
def test_a_missed_goal_is_a_failure_and_its_figures_are_written(
    measured: Callable[..., None], miss: dict[str, float], results: Path
) -> None:
    measured(**miss)
    assert main([]) == 1
    assert set(json.loads(results.read_text())) >= REQUIRED


def test_a_path_that_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_JSON", str(tmp_path / "missing" / "bench.json"))
    monkeypatch.setattr(drain, "measure", lambda *_: pytest.fail("measured"))
    assert main([]) == 2
    assert "bench.json cannot be written: No such file or directory" in capsys.readouterr().err


def test_a_device_takes_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_JSON", "/dev/null")
    assert main([]) == 0


def test_what_cannot_be_measured_is_neither_met_nor_missed(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    before = results.read_text()

    def refuse(say: object) -> list[Figure]:
        raise NotMeasured("no such table")

    monkeypatch.setattr(window, "measure", refuse)
    assert main(["--only=window"]) == 2
    assert capsys.readouterr().err == "no such table\n"
    assert results.read_text() == before
