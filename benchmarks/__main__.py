"""Measure; a table for people, and flat JSON at the path in BENCH_JSON.

Exit code 0: every goal is met; 1: one is missed; 2: nothing was measured.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TextIO

from rich.console import Console

from benchmarks import drain, window, write
from benchmarks.figures import Figure, missed, table, write_json
from benchmarks.log import NotMeasured
from local.ladder import NothingAvailable


def main(words: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    # A pipe has no width; 80 columns would cut the names.
    console = Console(width=None if sys.stdout.isatty() else 100)
    try:
        with _results(os.environ.get("BENCH_JSON")) as file:
            figures = _measure(arguments, partial(console.print, soft_wrap=True))
            console.print(table(figures))
            if file:
                # A device or a pipe cannot be truncated, but opened anew.
                with Path(file.name).open("w") as emptied:
                    write_json(figures, emptied)
    except (NotMeasured, NothingAvailable) as why:
        print(why, file=sys.stderr)
        return 2
    return 1 if missed(figures) else 0


def _measure(arguments: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    benchmarks: dict[str, Callable[[], list[Figure]]] = {
        "drain": lambda: drain.measure(arguments.events, say),
        "window": lambda: window.measure(say),
        "write": lambda: write.measure(say),
    }
    chosen = [arguments.only] if arguments.only else list(benchmarks)
    return [figure for name in chosen for figure in benchmarks[name]()]


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
    parser.add_argument("--only", choices=["drain", "window", "write"], help="the one to run")
    parser.add_argument("--events", type=int, default=100_000, help="of the backlog to drain")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
