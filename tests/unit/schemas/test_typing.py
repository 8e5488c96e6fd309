import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.needs import unmet

ROOT = Path(__file__).parents[3]


def test_what_users_write_passes_mypy_without_the_plugin_of_pydantic(tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        unmet("mypy is not installed")
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nstrict = True\n")

    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", str(settings)),
            *("--cache-dir", str(ROOT / ".mypy_cache" / "without-plugin")),
            str(ROOT / "tests" / "typing" / "schemas_api.py"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
