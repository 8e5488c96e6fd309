"""Methods of Django's that others patch as well."""

import sys
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Model
from django.db.models.sql import DeleteQuery
from django.db.models.sql.compiler import SQLCompiler, SQLInsertCompiler

import outbox
from outbox import checks, compilers
from outbox.patching import is_patched, patch, reverted
from tests.app.models import Note


class Compiler:
    def run(self) -> list[str]:
        return ["theirs"]


def ours(method: Any) -> Any:
    @wraps(method)
    def run(self: object) -> list[str]:
        return ["ours", *method(self)]

    return run


def other(method: Any) -> Any:
    @wraps(method)
    def run(self: object) -> list[str]:
        return ["other", *method(self)]

    return run


@pytest.fixture
def cls() -> type[Compiler]:
    return type("Copy", (Compiler,), {"run": Compiler.run})


def test_a_method_is_patched_once(cls: type[Compiler]) -> None:
    patch(cls, "run", ours)
    patch(cls, "run", ours)
    assert cls().run() == ["ours", "theirs"]


def test_what_somebody_else_has_patched_is_patched_all_the_same(cls: type[Compiler]) -> None:
    setattr(cls, "run", other(cls.run))  # noqa: B010
    patch(cls, "run", ours)
    assert cls().run() == ["ours", "other", "theirs"]


def test_what_somebody_else_patches_later_still_leads_to_ours(cls: type[Compiler]) -> None:
    patch(cls, "run", ours)
    setattr(cls, "run", other(cls.run))  # noqa: B010
    assert is_patched(cls.run)
    assert cls().run() == ["other", "ours", "theirs"]


def test_a_method_that_this_django_does_not_have_is_passed_over(cls: type[Compiler]) -> None:
    patch(cls, "none", ours)
    assert not hasattr(cls, "none")


def test_patches_are_taken_back_and_put_on_again(cls: type[Compiler]) -> None:
    child = type("Child", (cls,), {})
    patch(child, "run", ours)
    patch(cls, "run", other)
    with pytest.raises(KeyError), reverted():
        assert (cls().run(), child().run(), "run" in vars(child)) == (["theirs"], ["theirs"], False)
        assert not any(map(is_patched, (SQLInsertCompiler.execute_sql, Model.save_base)))
        raise KeyError
    assert cls().run() == ["other", "theirs"]
    assert child().run() == ["ours", "theirs"]
    assert all(map(is_patched, (SQLInsertCompiler.execute_sql, Model.save_base)))


OURS = Path(outbox.__file__).parent


def patches() -> dict[str, object]:
    """Functions of ours in classes of Django's; a wrapper has the name of what it wraps."""
    found = (vars(module) for name, module in sys.modules.items() if name.startswith("django."))
    every = (each for names in found for each in names.values())
    classes = {each for each in every if issubclass(type(each), type)}  # wakes no lazy object
    return {
        f"{cls.__name__}.{name}": each
        for cls in classes
        for name, each in vars(cls).items()
        if (code := getattr(each, "__code__", None)) and OURS in Path(code.co_filename).parents
    }


def test_no_patch_is_left_where_they_are_taken_back() -> None:
    assert {"Model.save_base", "SQLUpdateCompiler.execute_sql"} <= patches().keys()
    with reverted():
        assert patches() == {}


def test_whoever_starts_the_application_again_changes_nothing() -> None:
    before = patches()
    apps.get_app_config("outbox").ready()
    assert patches() == before


def test_a_compiler_that_stands_before_ours_is_named_by_a_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Insert(SQLInsertCompiler):
        def execute_sql(self, *args: Any, **kwargs: Any) -> Any:
            return []

    given = connection.ops.compiler
    assert compilers.foreign_compilers(connection) == []
    monkeypatch.setattr(
        connection.ops,
        "compiler",
        lambda name: Insert if name == "SQLInsertCompiler" else given(name),
    )
    (found,) = checks.check_compilers()
    assert found.id == "outbox.W004"
    assert "Insert, Django's compiler" in found.msg


def test_a_compiler_that_somebody_patched_before_us_is_named_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Insert(SQLInsertCompiler):
        execute_sql = other(vars(SQLInsertCompiler)["execute_sql"].__wrapped__)

    patch(Insert, "execute_sql", ours)
    assert is_patched(Insert.execute_sql)
    given = connection.ops.compiler
    monkeypatch.setattr(
        connection.ops,
        "compiler",
        lambda name: Insert if name == "SQLInsertCompiler" else given(name),
    )
    assert [found.id for found in checks.check_compilers()] == ["outbox.W004"]


def test_a_patch_of_the_compiler_behind_sees_deletes_of_models_that_are_not_captured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(SQLCompiler, "execute_sql", lambda self, *args: seen.append("delete"))
    compiler: Any = Note.objects.all().query.chain(klass=DeleteQuery).get_compiler("default")
    compiler.execute_sql("row count")
    assert seen == ["delete"]
