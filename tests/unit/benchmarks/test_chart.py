"""Charts of figures."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.chart import LABEL, VALUE, WIDTH, Bar, main, shown, svg

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


def test_bars_are_as_long_as_their_values_and_the_longest_fits() -> None:
    picture = svg("A & B", [Bar("one", 30, "#000000"), Bar("two", 120, "#000000")])
    bars = [float(length) for length in re.findall(r'y="\d+" width="([\d.]+)"', picture)]
    assert bars == [(WIDTH - LABEL - VALUE) / 4, WIDTH - LABEL - VALUE]
    assert texts(picture)[0] == "A & B"


@pytest.mark.parametrize(("value", "text"), [(12_345.6, "12,346"), (99.96, "100.0"), (0.04, "0.0")])
def test_a_number_has_no_digits_that_say_nothing(value: float, text: str) -> None:
    assert shown(value) == text
