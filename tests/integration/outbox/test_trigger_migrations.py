"""The migrations of a trigger, in a project of the test's own, as a user makes them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from local.scratch import ROOT

SETTINGS = """
from tests.settings import *
INSTALLED_APPS = ["library", {apps}]
ROOT_URLCONF = "library.urls"
"""
MODELS = """
from django.db import models
import outbox

@outbox.capture(topic="test.books", via="trigger"{options})
class Book(models.Model):
    title = models.CharField(max_length=100)
    {fields}
"""
TABLES = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE starts_with(tgname, 'pgtrigger_0_')"
BOTH_ORDERS = ['"pgtrigger", "outbox"', '"outbox", "pgtrigger"']

Manage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def manage(tmp_path: Path, database_url: str) -> Manage:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "__init__.py").touch()
    (tmp_path / "library" / "urls.py").write_text("urlpatterns = []")
    (tmp_path / "settings.py").write_text(SETTINGS.format(apps=BOTH_ORDERS[0]))
    env = {
        **os.environ,
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
    }

    def run(*words: str, code: int = 0, answer: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "django", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, input=answer
        )
        assert done.returncode == code, done.stderr
        return done

    return run


def write_models(tmp_path: Path, options: str = "", fields: str = "") -> None:
    text = MODELS.format(options=options, fields=fields)
    (tmp_path / "library" / "models.py").write_text(text)


@pytest.mark.parametrize("order", BOTH_ORDERS)
def test_a_migration_makes_the_trigger_after_the_tables_of_the_outbox(
    manage: Manage, tmp_path: Path, database_url: str, order: str
) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS.format(apps=order))
    write_models(tmp_path)
    manage("makemigrations", "library")
    (migration,) = (tmp_path / "library" / "migrations").glob("0001*.py")
    assert '("outbox", "0006_rebased_positions")' in migration.read_text().replace("'", '"')
    manage("migrate", "--verbosity=0")
    with psycopg.connect(database_url) as program:
        program.execute("INSERT INTO library_book (title) VALUES ('psql')")
        (value,) = program.execute("SELECT value FROM outbox_event").fetchone() or (b"",)
    assert b'"after":{"id":1,"title":"psql"}' in value
    assert "outbox.W010" not in manage("check", "--database=default").stderr
    manage("migrate", "library", "zero", "--verbosity=0")
    manage("migrate", "outbox", "zero", "--verbosity=0")


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (', exclude=["title"]', ""),
        (", version=2", ""),
        (", before=True", ""),
        ("", "pages = models.IntegerField(null=True)"),
    ],
)
def test_a_change_of_the_capture_or_of_a_field_is_a_migration_that_is_missed(
    manage: Manage, tmp_path: Path, options: str, fields: str
) -> None:
    write_models(tmp_path)
    manage("makemigrations", "library")
    manage("makemigrations", "--check")
    write_models(tmp_path, options, fields)
    missed = manage("makemigrations", "--check", "--dry-run", code=1).stdout
    assert "Create trigger outbox on model book" in missed
    manage("makemigrations", "library")
    manage("makemigrations", "--check")
    manage("migrate", "--verbosity=0")


def test_sessions_go_on_where_a_column_gets_another_type(
    manage: Manage, tmp_path: Path, database_url: str
) -> None:
    write_models(tmp_path, fields="pages = models.IntegerField()")
    manage("makemigrations", "library")
    manage("migrate", "--verbosity=0")
    with psycopg.connect(database_url, autocommit=True) as program:
        program.execute("INSERT INTO library_book (title, pages) VALUES ('a', 1)")
        write_models(tmp_path, fields="pages = models.BigIntegerField()")
        manage("makemigrations", "library")
        manage("migrate", "--verbosity=0")
        program.execute("INSERT INTO library_book (title, pages) VALUES ('b', 2 ^ 40)")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class Book", "class Volume"),
        ("    title", "    class Meta:\n        db_table = 'v'\n    title"),
    ],
    ids=["model", "table"],
)
def test_a_table_gets_another_name_and_has_one_trigger_there_and_back(
    manage: Manage, tmp_path: Path, database_url: str, old: str, new: str
) -> None:
    def write() -> list[str]:
        program.execute("TRUNCATE outbox_event")
        ((table,),) = program.execute(TABLES)
        program.execute(f"INSERT INTO {table} (title) VALUES ('a')")
        return [kind for (kind,) in program.execute("SELECT type FROM outbox_event")]

    write_models(tmp_path)
    manage("makemigrations", "library")
    models = tmp_path / "library" / "models.py"
    models.write_text(models.read_text().replace(old, new))
    manage("makemigrations", "library", answer="y\n")
    manage("migrate", "--verbosity=0")
    with psycopg.connect(database_url, autocommit=True) as program:
        assert write() == ["library.volume" if "Volume" in new else "library.book"]
        assert "outbox.W010" not in manage("check", "--database=default").stderr
        manage("migrate", "library", "0001", "--verbosity=0")
        assert write() == ["library.book"]
