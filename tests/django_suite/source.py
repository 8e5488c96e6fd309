"""The tests of the installed Django, out of its source distribution."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import django

from local.scratch import CACHE, ROOT, locked, scratch


class NoSource(Exception):
    """The source distribution of Django cannot be had; the message says why."""


def tests() -> Path:
    """The folder with Django's tests, fetched at the first call; raises NoSource."""
    folder = CACHE / f"django-{django.__version__}-tests"
    CACHE.mkdir(exist_ok=True)
    with locked(CACHE):
        if not folder.exists():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    with scratch("django") as work:
        _download(work)
        [archive] = work.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(work, filter="data")
        [unpacked] = work.glob("*/tests")
        shutil.move(unpacked, folder)


def _download(work: Path) -> None:
    wanted = f"Django=={django.__version__}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(work)]
    command += ["--no-deps", "--no-binary", "django", wanted]
    # The constraints name one version of Django; the installed one may be another.
    env = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise NoSource(
            f"The source distribution of {wanted}, which carries Django's tests, could not be "
            f"fetched from the package registry: {done.stderr.strip() or done.stdout.strip()}"
        )
