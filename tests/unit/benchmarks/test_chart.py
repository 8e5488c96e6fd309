"""Charts of figures."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import disturbed, drain, latency
from benchmarks.chart import LABEL, VALUE, WIDTH, Bar, main, shown, svg
from benchmarks.drain import Round, Run
from benchmarks.figures import Figure, write_json
from benchmarks.log import Arrivals
from benchmarks.peers import compare

SVG = "{http://www.w3.org/2000/svg}"
DRAIN = {
    "drain.librdkafka.bare.events_per_s": 100_000,
    "drain.librdkafka.at-least-once.events_per_s": 60_000,
    "drain.librdkafka.at-least-once.rss_mb": 60,
}
PEERS = {
    "ours.librdkafka.events_per_s": 60_000,
    "debezium.events_per_s": 7_500,
    "debezium.librdkafka.rate_ratio": 8,
    "peers.faststream-outbox.events_per_s": 1_000,
    "peers.faststream-outbox.librdkafka.rate_ratio": 60,
}


def texts(picture: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_a_chart_holds_the_figures_of_several_files_and_no_others(tmp_path: Path) -> None:
    for name, figures in (("quick.json", DRAIN), ("peers.json", PEERS)):
        (tmp_path / name).write_text(json.dumps(figures))
    main(str(tmp_path), str(tmp_path / "quick.json"), str(tmp_path / "peers.json"))
    assert sorted(path.name for path in tmp_path.glob("*.svg")) == ["drain.svg", "relays-speed.svg"]
    assert texts((tmp_path / "drain.svg").read_text())[1:] == [
        "librdkafka alone",
        "100,000",
        "librdkafka, at-least-once",
        "60,000",
    ]
    assert texts((tmp_path / "relays-speed.svg").read_text())[1::2] == [
        "ours, librdkafka",
        "Debezium",
        "faststream-outbox",
    ]


def measured() -> list[Figure]:
    """Figures as the benchmarks name them."""
    run = Run(Arrivals(1_000, 0, 0, 1.0, 0), 1.0, 50)
    both = Round(run, run, {"at-least-once": run, "exactly-once": run})
    beside = {name: [Round(run, run, {"librdkafka": run})] for name in ("debezium", "another")}
    calm = disturbed.Round(100, 110, dict.fromkeys(disturbed.DISTURBANCES, 97.0))
    return [
        *drain.figures("librdkafka", [both]),
        *latency.figures("latency", 500, [[1.0]], [[2.0]]),
        *disturbed.figures("disturbed", [calm]),
        *compare.figures(beside),
        *compare.live_figures([[2.0]], [[9.0], [9.0]]),
    ]


def test_what_the_benchmarks_find_is_in_all_charts(tmp_path: Path) -> None:
    with (tmp_path / "found.json").open("w") as file:
        write_json(measured(), file)
    folder = tmp_path / "not" / "yet"
    main(str(folder), str(tmp_path / "found.json"))
    found = {path.name: texts(path.read_text())[1::2] for path in folder.iterdir()}
    relays = ["ours, librdkafka", "Debezium", "another"]
    assert found == {
        "drain.svg": ["librdkafka alone", "librdkafka, at-least-once", "librdkafka, exactly-once"],
        "latency.svg": [
            "500/s, p50: producer alone",
            "500/s, p99: producer alone",
            "500/s, p50",
            "500/s, p99",
        ],
        "disturbed.svg": [
            "undisturbed, again",
            "open outbox writer",
            "open foreign writer",
            "old snapshot",
        ],
        "relays-latency.svg": [
            "500/s, p50: ours",
            "500/s, p99: ours",
            "500/s, p50: Debezium",
            "500/s, p99: Debezium",
        ],
        "relays-speed.svg": relays,
        "relays-cpu.svg": relays,
        "relays-memory.svg": relays,
    }
    shares = texts((folder / "disturbed.svg").read_text())[2::2]
    assert shares == ["90.9", "92.4", "92.4", "92.4"]


def test_bars_are_as_long_as_their_values_and_the_longest_fits() -> None:
    picture = svg("A & B", [Bar("one", 30, "#000000"), Bar("two", 120, "#000000")])
    bars = [float(length) for length in re.findall(r'y="\d+" width="([\d.]+)"', picture)]
    assert bars == [(WIDTH - LABEL - VALUE) / 4, WIDTH - LABEL - VALUE]
    assert texts(picture)[0] == "A & B"


@pytest.mark.parametrize(("value", "text"), [(12_345.6, "12,346"), (99.96, "100.0"), (0.04, "0.0")])
def test_a_number_has_no_digits_that_say_nothing(value: float, text: str) -> None:
    assert shown(value) == text
