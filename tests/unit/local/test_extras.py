"""What `make test-extras` says and how it ends."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local import extras
from local.scratch import ROOT


def fail_for(missing: str) -> Callable[[Path, str, Path], None]:
    def environment(wheel: Path, extra: str, folder: Path) -> None:
        if extra == missing:
            raise extras.Failed("ModuleNotFoundError: No module named 'click'")

    return environment


@pytest.fixture(autouse=True)
def _no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "build", lambda work: work / "some.whl")


def test_each_extra_has_a_line_and_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "environment", fail_for("none"))
    assert extras.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["base", "[django]", "[publisher]"]


def test_a_failure_shows_what_was_said_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "environment", fail_for("django"))
    assert extras.main() == 1
    said = capsys.readouterr().out
    assert "[django]: failed\nModuleNotFoundError: No module named 'click'" in said
    assert "[publisher]: installed alone" in said


def test_what_a_command_said_is_kept_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(extras.Failed, match="no space left"):
        extras.run([sys.executable, "-c", "raise SystemExit('no space left')"], tmp_path)


def test_every_package_of_the_wheel_is_imported_by_some_extra() -> None:
    shipped = {folder.parent.name for folder in ROOT.glob("*/py.typed")}
    imported = {name.partition(".")[0] for names in extras.EXTRAS.values() for name in names}
    assert imported == shipped
