"""Throw-away folders vanish, also those of a crash, and never under somebody who lives."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.scratch import scratch


def test_the_folder_vanishes_with_what_is_in_it(tmp_path: Path) -> None:
    with scratch("work", home=tmp_path) as folder:
        (folder / "file").write_text("data")
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_it_vanishes_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), scratch("work", home=tmp_path):
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []


def test_two_at_a_time_are_apart(tmp_path: Path) -> None:
    with scratch("work", home=tmp_path) as first, scratch("work", home=tmp_path) as second:
        assert first != second
        assert first.exists()
        assert second.exists()


def test_the_folder_of_a_crash_vanishes_when_the_next_is_made(tmp_path: Path) -> None:
    crash = f"""
import os
from pathlib import Path
from local.scratch import scratch
held = scratch("crashed", home=Path({str(tmp_path)!r}))
held.__enter__()
os._exit(1)
"""
    subprocess.run([sys.executable, "-c", crash], timeout=60)
    assert [folder.name.partition("-")[0] for folder in tmp_path.iterdir()] == ["crashed"]
    with scratch("next", home=tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
