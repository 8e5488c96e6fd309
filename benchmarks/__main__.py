"""Measure; a table for people, and flat JSON at the path in BENCH_JSON."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks import drain, window
from benchmarks.figures import Figure, table, write


def main() -> int:
    arguments = _parser().parse_args()
    # A pipe has no width; 80 columns would cut the names.
    console = Console(width=None if sys.stdout.isatty() else 100)
    say = partial(console.print, soft_wrap=True)
    benchmarks: dict[str, Callable[[], list[Figure]]] = {
        "drain": lambda: drain.measure(arguments.events, say),
        "window": lambda: window.measure(say),
    }
    chosen = [arguments.only] if arguments.only else list(benchmarks)
    figures = [figure for name in chosen for figure in benchmarks[name]()]
    console.print(table(figures))
    if path := os.environ.get("BENCH_JSON"):
        write(figures, Path(path))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=["drain", "window"], help="the one to run")
    parser.add_argument("--events", type=int, default=100_000, help="of the backlog to drain")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
