"""Measure; a table for people, and flat JSON at the path in BENCH_JSON.

Exit code 0: every goal that is judged is met; 1: one is missed; 2: a measurement failed, and
nothing is written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TextIO

from rich.console import Console

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
from benchmarks.figures import Figure, missed, table, write_json
from benchmarks.log import NotMeasured
from benchmarks.modes import MODES, Mode, present
from benchmarks.peers import compare
from benchmarks.stage import Say
from local.ladder import NothingAvailable
from local.process import DiedEarly

QUICK_BACKLOG = 25_000

Benchmark = Callable[[argparse.Namespace, Sequence[Mode], Say], list[Figure]]

QUICK: Mapping[str, Benchmark] = {
    "drain": lambda chosen, modes, say: drain.measure(chosen.events, modes, say),
    "latency": lambda chosen, modes, say: latency.measure(modes, say),
    "idle": lambda chosen, modes, say: idle.measure(modes, say),
    "disturbed": lambda chosen, modes, say: disturbed.measure(modes, say),
    "large": lambda chosen, modes, say: large.measure(modes, say),
    "commit": lambda chosen, modes, say: commit.measure(modes, say),
    "window": lambda chosen, modes, say: window.measure(say),
    "write": lambda chosen, modes, say: write.measure(say),
    "profile": lambda chosen, modes, say: profiled.measure(modes, say),
}
FULL: Mapping[str, Benchmark] = {
    **QUICK,
    "compression": lambda chosen, modes, say: compression.measure(modes, say),
    "backlog": lambda chosen, modes, say: backlog.measure(modes, say),
    "soak": lambda chosen, modes, say: soak.measure(chosen.soak_events, modes, say),
}
PEERS: Mapping[str, Benchmark] = {
    "peers": lambda chosen, modes, say: compare.measure(chosen.events, modes, say),
}
SUITES: Mapping[str, Mapping[str, Benchmark]] = {"quick": QUICK, "full": FULL, "peers": PEERS}
ALL = {**FULL, **PEERS}
FAILURES = (DiedEarly, NotMeasured, NothingAvailable, subprocess.TimeoutExpired)


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    # A pipe has no width; 80 columns would cut the names.
    console = Console(width=None if sys.stdout.isatty() else 100)
    figures: list[Figure] = []
    try:
        with _results(os.environ.get("BENCH_JSON")) as file:
            _measure(arguments, figures, partial(console.print, soft_wrap=True, highlight=False))
            console.print(table(figures))
            if file:
                # A device or a pipe cannot be truncated, but opened anew.
                with Path(file.name).open("w") as emptied:
                    write_json(figures, emptied)
    except FAILURES as why:
        if figures:
            console.print(table(figures, "measured before the failure"))
        print(why, file=sys.stderr)
        return 2
    return 1 if missed(figures) else 0


def _measure(arguments: argparse.Namespace, figures: list[Figure], say: Say) -> None:
    """Add the figures of one benchmark after the other."""
    modes = _modes(arguments.mode, say)
    for name in [arguments.only] if arguments.only else SUITES[arguments.suite]:
        figures += ALL[name](arguments, modes, say)


def _modes(asked: Sequence[str] | None, say: Say) -> list[Mode]:
    modes = [mode for mode in MODES if not asked or str(mode) in asked]
    found = present(modes, say)
    if asked and found != modes:
        raise NotMeasured("a mode that was asked for is missing")
    return found


def _results(path: str | None) -> AbstractContextManager[TextIO | None]:
    """The file for the figures, opened before minutes are spent on them; older ones stay so far."""
    if not path:
        return nullcontext()
    try:
        return Path(path).open("a")
    except OSError as why:
        raise NotMeasured(f"BENCH_JSON={path} cannot be written: {why.strerror}") from why


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--suite", choices=list(SUITES), default="quick")
    parser.add_argument("--only", choices=list(ALL), help="the one to run")
    parser.add_argument(
        "--mode",
        action="append",
        choices=list(map(str, MODES)),
        help="of the publisher; may be repeated [default: all that there are]",
    )
    parser.add_argument(
        "--events",
        type=int,
        help="of the backlog that kafka-python drains; librdkafka gets five times as many "
        f"[default: {drain.FULL_SIZE:,}, in the quick suite {QUICK_BACKLOG:,}]; with fewer than "
        "in the full one, its goals are not judged",
    )
    parser.add_argument(
        "--soak-events",
        type=int,
        default=soak.EVENTS,
        help="that are written, relayed and removed in all of the soak",
    )
    return parser


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    arguments = _parser().parse_args(words)
    if arguments.events is None:
        quick = arguments.suite == "quick" and not arguments.only
        arguments.events = QUICK_BACKLOG if quick else drain.FULL_SIZE
    return arguments


if __name__ == "__main__":
    raise SystemExit(main())
