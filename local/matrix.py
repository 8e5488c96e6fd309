"""Run the tests of the Django side, and Django's own, under each Python and Django that there is.

`make matrix` prints what became of each.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from local.commands import Failed, run
from local.interpreters import Interpreter, interpreters
from local.scratch import CACHE, ROOT

PYTHONS = ("3.11", "3.12", "3.13")
# With the oldest Python that each runs on.
DJANGOS: Mapping[str, str] = {"5.2": "3.10", "6.1": "3.12"}

TESTS = ("tests/unit/outbox", "tests/unit/schemas", "tests/integration/outbox")
NEEDED = ("--editable", ".[test]", "psycopg_pool")
HOME = CACHE / "matrix"
CONSTRAINTS = HOME / "constraints.txt"


class Combination(NamedTuple):
    """A Python and a Django; without an interpreter it is skipped, and `why` says the reason."""

    python: str
    django: str
    interpreter: Interpreter | None
    why: str = ""


class Line(NamedTuple):
    python: str
    django: str
    result: str
    failed: bool = False


def main() -> int:
    """Say what became of each combination; 1 when one failed, or when there was none to run."""
    HOME.mkdir(parents=True, exist_ok=True)
    CONSTRAINTS.write_text(without_django((ROOT / "constraints.txt").read_text()))
    chosen = list(combinations(interpreters()))
    lines = [tried(each) for each in chosen]
    print("\n".join(table(lines)))
    return int(any(line.failed for line in lines) or not any(each.interpreter for each in chosen))


def combinations(found: Mapping[str, Interpreter]) -> Iterator[Combination]:
    for python in PYTHONS:
        for django, oldest in DJANGOS.items():
            if _number(python) < _number(oldest):
                why = f"skipped: Django {django} needs Python {oldest}"
                yield Combination(python, django, None, why)
            elif python not in found:
                why = "skipped: neither on PATH nor in a folder of pyenv, uv or asdf"
                yield Combination(python, django, None, why)
            else:
                yield Combination(python, django, found[python])


def tried(combination: Combination) -> Line:
    python, django, interpreter, why = combination
    if interpreter is None:
        return Line(python, django, why)
    print(f"Python {interpreter}, Django {django} ...", flush=True)
    folder = HOME / f"python-{interpreter}-django-{django}"
    try:
        version = prepare(interpreter, django, folder)
        ours, theirs = last_line(test(folder)), counted(test_django(folder))
        return Line(str(interpreter), version, f"{ours}; Django's own: {theirs}")
    except Failed as failure:
        print(failure)
        return Line(str(interpreter), django, f"FAILED: {last_line(str(failure))}", failed=True)


def prepare(interpreter: Interpreter, django: str, folder: Path) -> str:
    """Install what the tests need in an environment of its own; the version of Django there."""
    run([interpreter.path, "-m", "venv", folder], ROOT)
    wanted = (*NEEDED, f"Django=={django}.*")
    module(folder, "pip", "install", "--quiet", "--upgrade", *wanted)
    return module(folder, "django", "--version").strip()


def test(folder: Path) -> str:
    return module(folder, "pytest", "-p", "no:cacheprovider", "-q", *TESTS)


def test_django(folder: Path) -> str:
    """Django's own tests, with every model captured."""
    return module(folder, "tests.django_suite")


def module(folder: Path, *words: str) -> str:
    """What a module said that was run in an environment."""
    # As the Makefile's, a relative path: pip takes a space in a path for the end of it.
    env = {**os.environ, "PIP_CONSTRAINT": str(CONSTRAINTS.relative_to(ROOT))}
    return run([folder / "bin" / "python", "-m", *words], ROOT, env)


def without_django(constraints: str) -> str:
    """The versions to install, but for Django's, which is the combination's."""
    return re.sub(r"(?m)^Django==.*\n", "", constraints)


def table(lines: Sequence[Line]) -> Iterator[str]:
    for python, django, result, _ in (Line("PYTHON", "DJANGO", "RESULT"), *lines):
        yield f"{python:<9} {django:<8} {result}"


def last_line(said: str) -> str:
    return (said.strip().splitlines() or ["it said nothing"])[-1].strip("= ")


def counted(said: str) -> str:
    """How many of Django's own tests were run."""
    found = re.search(r"(?m)^tests: (.*)$", said)
    return found[1] if found else last_line(said)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


if __name__ == "__main__":
    raise SystemExit(main())
