"""What `make matrix` chooses, says, and how it ends."""

from pathlib import Path

import pytest

from local import matrix
from local.commands import Failed
from local.interpreters import Interpreter
from local.matrix import Combination, combinations, without_django

THERE = {
    "3.11": Interpreter((3, 11, 7), Path("/python3.11")),
    "3.12": Interpreter((3, 12, 1), Path("/python3.12")),
}


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(matrix, "HOME", tmp_path)
    monkeypatch.setattr(matrix, "CONSTRAINTS", tmp_path / "constraints.txt")
    monkeypatch.setattr(matrix, "interpreters", lambda: THERE)
    monkeypatch.setattr(matrix, "prepare", lambda interpreter, django, folder: f"{django}.9")
    monkeypatch.setattr(matrix, "test", lambda folder: "..\n=== 7 passed in 2.00s ===\n")
    monkeypatch.setattr(matrix, "test_django", lambda folder: "captured: 2\ntests: 9 run\nno\n")


def test_each_python_meets_each_django_that_runs_on_it_and_the_others_are_skipped() -> None:
    assert list(combinations(THERE)) == [
        Combination("3.11", "5.2", THERE["3.11"]),
        Combination("3.11", "6.1", None, "skipped: Django 6.1 needs Python 3.12"),
        Combination("3.12", "5.2", THERE["3.12"]),
        Combination("3.12", "6.1", THERE["3.12"]),
        *(Combination("3.13", django, None, MISSING) for django in ("5.2", "6.1")),
    ]


PASSED = "7 passed in 2.00s; Django's own: 9 run"
MISSING = "skipped: neither on PATH nor in a folder of pyenv, uv or asdf"


def test_a_table_says_what_was_run_and_what_was_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix.main() == 0
    assert [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[-7:]] == [
        ["PYTHON", "DJANGO", "RESULT"],
        ["3.11.7", "5.2.9", PASSED],
        ["3.11", "6.1", "skipped: Django 6.1 needs Python 3.12"],
        ["3.12.1", "5.2.9", PASSED],
        ["3.12.1", "6.1.9", PASSED],
        ["3.13", "5.2", MISSING],
        ["3.13", "6.1", MISSING],
    ]


def test_one_that_fails_is_shown_with_what_was_said_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def test(folder: Path) -> str:
        if "3.11" in folder.name:
            raise Failed("E   assert 1 == 2\n=== 1 failed, 6 passed in 2.00s ===")
        return "7 passed"

    monkeypatch.setattr(matrix, "test", test)
    assert matrix.main() == 1
    said = capsys.readouterr().out
    assert "E   assert 1 == 2" in said
    assert "FAILED: 1 failed, 6 passed in 2.00s" in said
    assert said.count("7 passed") == 2


def test_a_failure_of_djangos_own_tests_counts_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def test_django(folder: Path) -> str:
        raise Failed("FAILED (errors=1)")

    monkeypatch.setattr(matrix, "test_django", test_django)
    assert matrix.main() == 1
    assert capsys.readouterr().out.count("FAILED: FAILED (errors=1)") == 3


def test_nothing_to_run_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "interpreters", dict)
    assert matrix.main() == 1


def test_all_versions_but_that_of_django_are_as_everywhere() -> None:
    assert without_django("click==8\nDjango==5.2.9\ndjango-stubs==6\n") == (
        "click==8\ndjango-stubs==6\n"
    )
