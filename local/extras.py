"""Install each extra alone in a clean environment and import its packages: `make test-extras`."""

import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.scratch import ROOT, scratch

EXTRAS: Mapping[str, Sequence[str]] = {
    "": ("schemas",),
    "django": ("schemas", "outbox"),
    "publisher": ("schemas", "publisher", "publisher.cli"),
}


class Failed(Exception):
    """A command failed; the message is what it said."""


def main() -> int:
    """Say one line for each extra; 1 when one of them failed."""
    with scratch("extras") as work:
        try:
            wheel = build(work)
        except Failed as why:
            print(f"the wheel was not built:\n{why}")
            return 1
        return max([check(wheel, extra, work) for extra in EXTRAS])


def build(work: Path) -> Path:
    """The wheel of this checkout; Failed when it cannot be built."""
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", work, ROOT], work)
    [wheel] = work.glob("*.whl")
    return wheel


def check(wheel: Path, extra: str, work: Path) -> int:
    name = f"[{extra}]" if extra else "base"
    try:
        environment(wheel, extra, work / f"venv-{extra}")
    except Failed as why:
        print(f"{name}: failed\n{why}", flush=True)
        return 1
    print(f"{name}: installed alone, imports {', '.join(EXTRAS[extra])}", flush=True)
    return 0


def environment(wheel: Path, extra: str, folder: Path) -> None:
    """Install one extra where nothing else is, and import what it promises, or raise Failed."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    wanted = f"{wheel}[{extra}]" if extra else str(wheel)
    run([python, "-m", "pip", "install", "--quiet", wanted], folder)
    run([python, "-I", "-c", f"import {', '.join(EXTRAS[extra])}"], folder)


def run(command: Sequence[str | Path], cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise Failed(done.stdout)


if __name__ == "__main__":
    raise SystemExit(main())
