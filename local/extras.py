"""Install each extra alone in a clean environment and import its packages: `make test-extras`."""

import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.commands import Failed, run
from local.scratch import ROOT, scratch

# What is imported with each. The missing one, "dev", is in the environment that runs this.
EXTRAS: Mapping[str, Sequence[str]] = {
    "": ("schemas",),
    "django": ("schemas", "outbox"),
    "triggers": ("schemas", "outbox", "pgtrigger"),
    "publisher": ("schemas", "publisher", "publisher.cli"),
    "librdkafka": ("schemas", "publisher.cli", "publisher.adapters.librdkafka"),
    "demo": ("examples.demo.__main__", "django", "gunicorn.app.wsgiapp", "pycountry"),
    "test": ("pytest", "pytest_django", "pytest_timeout", "testcontainers", "tests.conftest"),
}

# The checkout comes last, so that what the wheel holds is taken from the wheel.
IMPORT = "import sys; sys.path.append({root!r}); import {names}"
COLLECT = ("-m", "pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider")


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
    pip(sys.executable, "wheel", "--no-deps", "-w", work, ROOT)
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
    pip(python, "install", f"{wheel}[{extra}]" if extra else wheel)
    run([python, "-I", "-c", IMPORT.format(root=str(ROOT), names=", ".join(EXTRAS[extra]))], folder)
    if extra == "test":
        run([python, *COLLECT], ROOT)


def pip(python: str | Path, command: str, *words: str | Path) -> None:
    """Let pip do something in the checkout, where it looks for the versions to install."""
    run([python, "-m", "pip", command, "--quiet", "-c", "constraints.txt", *words], ROOT)


if __name__ == "__main__":
    raise SystemExit(main())
