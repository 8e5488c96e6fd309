"""Numbers: what was measured, beside what it should be."""

from __future__ import annotations

import json
import operator
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import median
from typing import TextIO

from rich.console import JustifyMethod
from rich.table import Table

NOT_JUDGED = "not full size"

_COMPARISONS = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit, as `>= 0.75` or `< 200`."""

    relation: str
    limit: float

    def met_by(self, value: float) -> bool:
        return bool(_COMPARISONS[self.relation](value, self.limit))

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number under the name that it keeps from release to release."""

    name: str
    value: float
    goal: Goal | None = None
    full_size: bool = True

    @property
    def verdict(self) -> str:
        """Whether the goal is met, which what is measured below its full size does not tell."""
        if self.goal is None:
            return ""
        if not self.full_size:
            return NOT_JUDGED
        return "met" if self.goal.met_by(self.value) else "missed"


@dataclass(frozen=True, slots=True)
class Repeat:
    """A number of one of our runs between those of two others, which cancels a drift."""

    before: float
    ours: float
    after: float

    @property
    def ratio(self) -> float:
        return self.ours / ((self.before + self.after) / 2)

    @property
    def control(self) -> float:
        """The others against each other: how far from 1 noise alone can take a ratio."""
        return self.before / self.after


def percentile(values: Collection[float], percent: float) -> float:
    """The least of the values that so many percent of them do not exceed."""
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]


def below_full_size(figures: Iterable[Figure]) -> list[Figure]:
    """The same numbers beside the same goals, none of which is judged."""
    return [replace(figure, full_size=False) for figure in figures]


def median_ratio(repeats: Sequence[Repeat]) -> float:
    return median(repeat.ratio for repeat in repeats)


def median_control(repeats: Sequence[Repeat]) -> float:
    return median(repeat.control for repeat in repeats)


def table(figures: Sequence[Figure], title: str = "benchmarks") -> Table:
    """The figures for people."""
    shown = Table(title=title)
    for heading in ("figure", "measured", "goal", "verdict"):
        justify: JustifyMethod = "right" if heading == "measured" else "left"
        shown.add_column(heading, justify=justify, no_wrap=True, overflow="fold")
    for figure in figures:
        goal = str(figure.goal) if figure.goal else ""
        shown.add_row(figure.name, f"{figure.value:,.3f}", goal, figure.verdict)
    return shown


def write_json(figures: Sequence[Figure], file: TextIO) -> None:
    """The figures for machines: one flat JSON object of numbers."""
    numbers = {figure.name: round(figure.value, 4) for figure in figures}
    file.write(json.dumps(numbers, indent=2) + "\n")


def missed(figures: Sequence[Figure]) -> bool:
    """Whether one of the goals is missed."""
    return any(figure.verdict == "missed" for figure in figures)
