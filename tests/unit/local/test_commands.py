"""Programs that have to succeed."""

import sys
from pathlib import Path

import pytest

from local.commands import Failed, run


def test_what_a_command_said_is_given(tmp_path: Path) -> None:
    assert run([sys.executable, "-c", "print('done')"], tmp_path) == "done\n"


def test_what_a_command_said_is_kept_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="no space left"):
        run([sys.executable, "-c", "raise SystemExit('no space left')"], tmp_path)
