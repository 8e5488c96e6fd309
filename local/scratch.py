"""Folders for throw-away data: inside the checkout, and gone even after a crash."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
HOME = ROOT / ".local" / "scratch"


@contextmanager
def scratch(name: str, *, home: Path = HOME) -> Iterator[Path]:
    """A new folder that vanishes at the end, or when the next one is made after a crash."""
    home.mkdir(parents=True, exist_ok=True)
    with locked(home):
        _sweep(home)
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=home))
        owner = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(owner)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of `folder` for as long as the block runs."""
    held = _lock(folder)
    try:
        yield
    finally:
        os.close(held)


def _sweep(home: Path) -> None:
    for folder in home.iterdir():
        try:
            held = _lock(folder, fcntl.LOCK_NB)
        except OSError:
            continue  # its owner lives
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _lock(folder: Path, flags: int = 0) -> int:
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | flags)
    except OSError:
        os.close(held)
        raise
    return held
