"""What a run of the benchmarks leaves, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import (
    backlog,
    commit,
    compression,
    disturbed,
    drain,
    idle,
    large,
    latency,
    profiled,
    soak,
    window,
    write,
)
from benchmarks.__main__ import main
from benchmarks.figures import Figure, Goal, below_full_size
from benchmarks.log import Arrivals, NotMeasured
from benchmarks.modes import FASTEST, Mode
from local.process import DiedEarly, Process

HUGE = {
    "compression.none.bytes_per_event",
    "backlog.5m.first_record_s",
    "backlog.5m.rss_mb",
    "backlog.5m.rate_vs_500k",
    "soak.rate_last_vs_first",
    "soak.table_growth",
    "soak.dead_share",
    "soak.position_kb",
}
REQUIRED = {
    "drain.kafka-python.at-least-once.vs_bare",
    "drain.kafka-python.at-least-once.rss_mb",
    "latency.500.p50_over_floor_ms",
    "latency.500.p99_ms",
    "latency.2000.p50_over_floor_ms",
    "latency.2000.p99_ms",
    "idle.cpu_percent",
    "disturbed.open_outbox_writer.vs_undisturbed",
    "disturbed.open_foreign_writer.vs_undisturbed",
    "disturbed.old_snapshot.vs_undisturbed",
    "large.1mb.rss_mb",
    "exactly_once.librdkafka.idle_commit_ms",
    "profile.librdkafka.at-least-once.all_us",
    "profile.librdkafka.at-least-once.loop_us",
    "window.small_behind_5m.ms",
    "write.extra_per_event_1.vs_create",
    "write.extra_per_event_20.vs_create",
    "write.bulk_create_10k.vs_uncaptured",
}


def run(rate: float, megabytes: float = 0.0) -> drain.Run:
    return drain.Run(Arrivals(100_000, 0, 0, 100_000 / rate, 0), 16.0, megabytes)


def others() -> dict[ModuleType, list[Figure]]:
    """The figures of benchmarks that no test here changes; their goals are met."""
    calm = disturbed.Round(100, 100, dict.fromkeys(disturbed.DISTURBANCES, 100.0))
    delays = [
        figure
        for rate in latency.RATES
        for figure in latency.figures("latency", rate, [[1.0]], [[2.0]])
    ]
    soaked = [
        soak.Round(1_000, 100, 10, 0, 50, held=number in soak.HELD) for number in range(soak.ROUNDS)
    ]
    return {
        latency: delays,
        soak: [*soak.figures("soak", soaked)],
        idle: [*idle.figures({FASTEST: idle.Idle(0.5, 0)})],
        disturbed: [*disturbed.figures("disturbed", [calm])],
        large: [*large.figures({FASTEST: run(100, 120)})],
        commit: [*commit.figures({Mode("librdkafka", "exactly-once"): [4.0]})],
        profiled: [*profiled.figures({FASTEST: {"all": 9.0, "store": 2.0, "send": 5.0}})],
        compression: [*compression.figures({"none": [compression.Stored(9.0, 500.0)]})],
        backlog: [*backlog.figures("backlog.5m", [run(100), run(100)], [run(100)])],
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
        ours: float = 9_500, megabytes: float = 80, small: float = 0.4, one: float = 0.5
    ) -> None:
        bare, publisher = run(10_000), run(ours, megabytes)
        rounds = [drain.Round(bare, bare, {"at-least-once": publisher})]
        found = [*drain.figures("kafka-python", rounds)]
        windows = window.figures([[small]], [[1.1]])
        monkeypatch.setattr(drain, "measure", lambda events, modes, say: found)
        monkeypatch.setattr(window, "measure", lambda say: windows)
        monkeypatch.setattr(write, "measure", lambda say: write.figures(one, 0.1, 1, 1.5, 20))

    for module, found in others().items():
        monkeypatch.setattr(module, "measure", lambda *_, found=found: found)
    tell()
    return tell


def test_the_figures_that_others_read_keep_their_names(results: Path) -> None:
    results.write_text("older figures")
    assert main([]) == 0
    figures = json.loads(results.read_text())
    assert set(figures) >= REQUIRED
    assert figures["drain.kafka-python.at-least-once.vs_bare"] == 0.95
    assert figures["drain.kafka-python.at-least-once.rss_mb"] == 80
    assert figures["window.small_behind_5m.ms"] == 0.4


def test_only_the_full_suite_takes_the_time_for_millions(results: Path) -> None:
    assert main([]) == 0
    assert not HUGE & set(json.loads(results.read_text()))
    assert main(["--suite=full"]) == 0
    assert set(json.loads(results.read_text())) >= REQUIRED | HUGE


@pytest.mark.parametrize(
    ("words", "events"),
    [
        ([], 25_000),
        (["--suite=full"], 100_000),
        (["--only=drain"], 100_000),
        (["--events=7"], 7),
    ],
)
@pytest.mark.usefixtures("results")
def test_the_quick_suite_drains_a_shorter_backlog(
    words: list[str], events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[int]()

    def measure(events: int, *_: object) -> list[Figure]:
        asked.append(events)
        return []

    monkeypatch.setattr(drain, "measure", measure)
    assert main(words) == 0
    assert asked == [events]


@pytest.mark.parametrize("miss", [{"ours": 8_900}, {"megabytes": 200}, {"small": 5}, {"one": 0.7}])
def test_a_missed_goal_is_a_failure_and_its_figures_are_written(
    measured: Callable[..., None], miss: dict[str, float], results: Path
) -> None:
    measured(**miss)
    assert main([]) == 1
    assert set(json.loads(results.read_text())) >= REQUIRED


@pytest.mark.usefixtures("results")
def test_a_goal_that_is_not_judged_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = below_full_size([Figure("drain.librdkafka.vs_bare", 0.1, Goal(">=", 0.9))])
    monkeypatch.setattr(drain, "measure", lambda *_: small)
    assert main(["--only=drain", "--events=7"]) == 0
    assert "not full size" in capsys.readouterr().out


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


def test_a_process_that_fails_ends_the_benchmark_with_its_log(
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> list[Figure]:
        log = tmp_path / "output.log"
        log.write_text("a reason\n")
        raise DiedEarly(Process(["publisher"], log=log))

    monkeypatch.setattr(window, "measure", fail)
    assert main([]) == 2
    told = capsys.readouterr()
    assert "a reason" in told.err
    assert "measured before the failure" in told.out
    assert "drain.kafka-python.at-least-once.vs_bare" in told.out
    assert results.read_text() == ""


def test_a_mode_that_is_asked_for_and_missing_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.modes.find_spec", lambda package: None)
    assert main(["--mode=librdkafka.at-least-once"]) == 2
    told = capsys.readouterr()
    assert "a mode that was asked for is missing" in told.err
    assert "the package confluent_kafka is not installed" in told.out
