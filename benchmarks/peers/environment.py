"""Environments of their own for other projects: none of them comes into ours."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from benchmarks.log import NotMeasured
from local.commands import Failed, run
from local.interpreters import interpreters
from local.scratch import CACHE, ROOT, locked

OLDEST = (3, 12)
CONSTRAINTS = Path("benchmarks") / "peers" / "constraints.txt"
HOME = CACHE / "peers"


def python_with(*packages: str) -> Path:
    """A Python that has these packages, installed at the first call; raises NotMeasured."""
    pins = (ROOT / CONSTRAINTS).read_bytes()
    folder = HOME / sha256(pins + repr(packages).encode()).hexdigest()[:12]
    HOME.mkdir(parents=True, exist_ok=True)
    with locked(HOME):
        if not (folder / "done").exists():
            _install(folder, packages)
    return folder / "bin" / "python"


def _install(folder: Path, packages: tuple[str, ...]) -> None:
    newest = max(interpreters().values(), key=lambda found: found.version)
    if newest.version < OLDEST:
        raise NotMeasured(f"{', '.join(packages)} need Python {'.'.join(map(str, OLDEST))}")
    # Where make calls, our own versions stand in the environment.
    env = {name: value for name, value in os.environ.items() if "CONSTRAINT" not in name}
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    try:
        run([newest.path, "-m", "venv", "--clear", folder], ROOT)
        run([*pip, "install", "--quiet", "-c", CONSTRAINTS, *packages], ROOT, env)
    except Failed as why:
        raise NotMeasured(f"{', '.join(packages)} cannot be installed:\n{why}") from why
    (folder / "done").touch()
