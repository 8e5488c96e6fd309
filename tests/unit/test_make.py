"""What make tells the programs that it calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local.scratch import ROOT

SHOW = """
show:
\t@printf '%s\\n' "$$PIP_CONSTRAINT" "$$PIP_BUILD_CONSTRAINT"
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed here")
def test_pip_finds_the_versions_to_install_in_a_checkout_with_a_space(tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    (checkout / "show.mk").write_text(SHOW)
    command = ["make", "-f", str(ROOT / "Makefile"), "-f", "show.mk", "show"]
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PIP"))
    }
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path in done.stdout.splitlines():
        assert " " not in path
        assert (ROOT / path).exists()
