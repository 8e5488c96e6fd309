"""The Pythons of this machine: those on PATH, and those in the folders of version managers."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

# A shim of a version manager is a program too, and fails; Debian has Pythons that make no venv.
ASK = "import sys, ensurepip; print(*sys.version_info[:3])"
SECONDS = 20


class Interpreter(NamedTuple):
    version: tuple[int, int, int]
    path: Path

    @property
    def minor(self) -> str:
        return ".".join(map(str, self.version[:2]))

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


def interpreters(environ: Mapping[str, str] = os.environ) -> dict[str, Interpreter]:
    """The newest of each minor version that works, such as "3.12"."""
    found = filter(None, map(_asked, dict.fromkeys(candidates(environ))))
    return {each.minor: each for each in sorted(found, key=lambda each: each.version)}


def candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """What is called Python, whether it works or not."""
    for folder in filter(None, environ.get("PATH", "").split(os.pathsep)):
        yield from _named(Path(folder).glob("python3*"))
    for versions in _managed(environ):
        yield from _named(versions.glob("*/bin/python3*"))


def _managed(environ: Mapping[str, str]) -> Iterator[Path]:
    """The folders in which pyenv, uv and asdf keep their versions."""
    home = Path(environ.get("HOME", "/nonexistent"))
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    yield Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    yield Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
    yield Path(environ.get("ASDF_DATA_DIR") or home / ".asdf") / "installs/python"


def _named(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in sorted(paths) if re.fullmatch(r"python3(\.\d+)?", path.name))


def _asked(path: Path) -> Interpreter | None:
    try:
        done = subprocess.run(
            [path, "-I", "-c", ASK], capture_output=True, text=True, timeout=SECONDS
        )
        major, minor, patch = map(int, done.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Interpreter((major, minor, patch), path)
