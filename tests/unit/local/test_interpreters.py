"""Which Pythons are found, and which are passed over."""

from pathlib import Path

import pytest

from local import interpreters as module
from local.interpreters import interpreters


def python(path: Path, answer: str) -> Path:
    """A program that tells this version, or whatever else it was told to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return path


def found(**environ: object) -> dict[str, str]:
    there = interpreters({name: str(value) for name, value in environ.items()})
    return {minor: str(each) for minor, each in there.items()}


def test_those_on_path_and_in_the_folders_of_version_managers_are_found(tmp_path: Path) -> None:
    python(tmp_path / "bin/python3.9", "echo 3 9 1")
    python(tmp_path / ".pyenv/versions/3.10.2/bin/python3.10", "echo 3 10 2")
    uv = ".local/share/uv/python/cpython-3.11.3-linux-x86_64-gnu/bin/python3.11"
    python(tmp_path / uv, "echo 3 11 3")
    python(tmp_path / ".asdf/installs/python/3.12.4/bin/python3", "echo 3 12 4")
    assert found(PATH=tmp_path / "bin", HOME=tmp_path) == {
        "3.9": "3.9.1",
        "3.10": "3.10.2",
        "3.11": "3.11.3",
        "3.12": "3.12.4",
    }


def test_the_folders_may_be_elsewhere(tmp_path: Path) -> None:
    python(tmp_path / "pyenv/versions/3.10.2/bin/python3.10", "echo 3 10 2")
    python(tmp_path / "uv/3.11.3/bin/python3.11", "echo 3 11 3")
    python(tmp_path / "asdf/installs/python/3.12.4/bin/python3", "echo 3 12 4")
    there = found(
        PYENV_ROOT=tmp_path / "pyenv",
        UV_PYTHON_INSTALL_DIR=tmp_path / "uv",
        ASDF_DATA_DIR=tmp_path / "asdf",
    )
    assert set(there) == {"3.10", "3.11", "3.12"}


def test_the_newest_of_a_minor_version_is_taken(tmp_path: Path) -> None:
    python(tmp_path / "bin/python3.12", "echo 3 12 9")
    newest = python(tmp_path / "versions/3.12.10/bin/python3.12", "echo 3 12 10")
    environ = {"PATH": str(tmp_path / "bin"), "PYENV_ROOT": str(tmp_path)}
    assert interpreters(environ)["3.12"].path == newest


def test_a_shim_that_leads_nowhere_does_not_hide_the_one_behind_it(tmp_path: Path) -> None:
    python(tmp_path / "shims/python3.12", "echo not found >&2; exit 127")
    python(tmp_path / "bin/python3.12", "echo 3 12 1")
    assert found(PATH=f"{tmp_path / 'shims'}:{tmp_path / 'bin'}") == {"3.12": "3.12.1"}


def test_what_is_stuck_or_only_looks_like_a_python_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)
    python(tmp_path / "python3.12", "exec sleep 60")
    python(tmp_path / "python3-config", "echo 3 13 0")
    (tmp_path / "python3.11").write_text("no program")
    assert found(PATH=tmp_path) == {}
