"""What `make test-extras` says and how it ends."""

import re
import tomllib
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from local import extras
from local.commands import Failed
from local.scratch import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def fail_for(missing: str) -> Callable[[Path, str, Path], None]:
    def environment(wheel: Path, extra: str, folder: Path) -> None:
        if extra == missing:
            raise Failed("ModuleNotFoundError: No module named 'click'")

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
    assert [line.partition(":")[0] for line in lines] == [
        *("base", "[django]", "[triggers]", "[publisher]", "[librdkafka]", "[demo]", "[test]")
    ]


def test_a_failure_shows_what_was_said_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "environment", fail_for("django"))
    assert extras.main() == 1
    said = capsys.readouterr().out
    assert "[django]: failed\nModuleNotFoundError: No module named 'click'" in said
    assert "[publisher]: installed alone" in said


def test_what_pip_is_asked_finds_the_versions_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[list[str], Path]] = []
    monkeypatch.setattr(extras, "run", lambda command, cwd: asked.append((list(command), cwd)))
    extras.pip("python", "install", "some.whl[test]")
    [(command, cwd)] = asked
    assert command[-3:] == ["-c", "constraints.txt", "some.whl[test]"]
    assert (cwd / "constraints.txt").exists()


def test_every_package_of_the_wheel_is_imported_by_some_extra() -> None:
    shipped = {folder.parent.name for folder in ROOT.glob("*/py.typed")}
    imported = {name.partition(".")[0] for names in extras.EXTRAS.values() for name in names}
    assert imported >= shipped


def test_every_extra_is_installed_but_the_one_that_runs_this() -> None:
    assert set(extras.EXTRAS) == {"", *PROJECT["project"]["optional-dependencies"]} - {"dev"}


def test_every_package_that_is_installed_by_name_has_its_version() -> None:
    extra = PROJECT["project"]["optional-dependencies"].values()
    wanted = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["build-system"]["requires"],
        *chain(*extra),
    ]
    pinned = {name(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {name(each) for each in wanted} - {"django-outbox-bridge"} <= pinned


def name(requirement: str) -> str:
    """The package of a requirement, as package indexes spell it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=]", requirement)[0]).lower()
