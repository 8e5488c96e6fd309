"""Draw figures: `python -m benchmarks.chart FOLDER BENCH_JSON...` writes an SVG for each chart.

Several files are taken together; a chart of which there are no figures is left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, LABEL, VALUE, ROW, TOP = 720, 230, 90, 26, 44
OURS, OTHER, LIMIT = "#2563eb", "#94a3b8", "#cbd5e1"

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: float
    colour: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars from one zero; `patterns` say which figures they are, each with its label and colour.

    What a group of the pattern matched stands for `{1}` in the label. The figures are shown `times`
    as large: percentages are.
    """

    file: str
    title: str
    patterns: Sequence[tuple[str, str, str]]
    times: float = 1

    def bars(self, figures: Figures) -> Iterator[Bar]:
        for pattern, label, colour in self.patterns:
            for name, value in figures.items():
                if found := re.fullmatch(pattern, name):
                    words = label.format(*found.groups()).replace("_", " ")
                    yield Bar(words, value * self.times, colour)


def _relays(file: str, title: str, figure: str) -> Chart:
    patterns = (
        (rf"ours\.(.+)\.{figure}", "ours, {0}", OURS),
        (rf"debezium\.{figure}", "Debezium", OTHER),
        (rf"peers\.([^.]+)\.{figure}", "{0}", OTHER),
    )
    return Chart(file, title, patterns)


CHARTS = (
    Chart(
        "drain.svg",
        "Drain of a backlog, events per second",
        (
            (r"drain\.(.+)\.bare\.events_per_s", "{0} alone", LIMIT),
            (r"drain\.(.+)\.(at-least-once|exactly-once)\.events_per_s", "{0}, {1}", OURS),
        ),
    ),
    Chart(
        "latency.svg",
        "From commit to consumer, milliseconds",
        (
            (r"latency\.(\d+)\.floor_(p50|p99)_ms", "{0}/s, {1}: producer alone", LIMIT),
            (r"latency\.(\d+)\.(p50|p99)_ms", "{0}/s, {1}", OURS),
        ),
    ),
    Chart(
        "disturbed.svg",
        "Drain beside others in the database, % of the speed without them",
        (
            (r"disturbed\.(undisturbed)\.vs_undisturbed", "{0}, again", LIMIT),
            (r"disturbed\.((?!undisturbed)[^.]+)\.vs_undisturbed", "{0}", OURS),
        ),
        times=100,
    ),
    Chart(
        "relays-latency.svg",
        "From commit to consumer, milliseconds",
        (
            (r"ours\.(\d+)\.(p50|p99)_ms", "{0}/s, {1}: ours", OURS),
            (r"debezium\.(\d+)\.(p50|p99)_ms", "{0}/s, {1}: Debezium", OTHER),
        ),
    ),
    _relays("relays-speed.svg", "Drain of a backlog, events per second", "events_per_s"),
    _relays(
        "relays-cpu.svg", "Processor seconds of the relay per 100,000 events", "cpu_s_per_100k"
    ),
    _relays("relays-memory.svg", "Resident memory of the relay at its peak, MB", "rss_mb"),
)


def main(folder: str, *files: str) -> None:
    figures: dict[str, float] = {}
    for file in files:
        figures.update(json.loads(Path(file).read_text()))
    Path(folder).mkdir(parents=True, exist_ok=True)
    for chart in CHARTS:
        if bars := list(chart.bars(figures)):
            path = Path(folder) / chart.file
            path.write_text(svg(chart.title, bars))
            print(path)


def svg(title: str, bars: Sequence[Bar]) -> str:
    """A picture that reads well on light and dark pages, and aloud."""
    height = TOP + ROW * len(bars) + 12
    longest = max(bar.value for bar in bars) or 1
    rows = "".join(_row(bar, number, longest) for number, bar in enumerate(bars))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="#0f172a">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>\n'
        f'<text x="16" y="26" font-size="15" font-weight="600">{escape(title)}</text>\n'
        f"{rows}</svg>\n"
    )


def _row(bar: Bar, number: int, longest: float) -> str:
    top = TOP + ROW * number
    length = round((WIDTH - LABEL - VALUE) * bar.value / longest, 1)
    middle = top + ROW / 2 + 1
    return (
        f'<text x="{LABEL - 10}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>\n'
        f'<rect x="{LABEL}" y="{top}" width="{length}" height="{ROW - 8}" rx="2" '
        f'fill="{bar.colour}"/>\n'
        f'<text x="{LABEL + length + 6}" y="{middle}">{shown(bar.value)}</text>\n'
    )


def shown(value: float) -> str:
    """A number as people read it: no digits that say nothing."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


if __name__ == "__main__":
    main(*sys.argv[1:])
