"""The first how-to, followed word by word in a new project."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import psycopg

from local.scratch import ROOT
from tests.acceptance.test_shop import manage

HOW_TO = ROOT / "docs" / "how-to"
SETTINGS = """
from local.postgres import django_settings
import os

SECRET_KEY = "a secret that protects nothing"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": django_settings(os.environ["DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MANAGE = """
import os, sys
from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
execute_from_command_line(sys.argv)
"""


def new_project(folder: Path) -> None:
    """What `startproject` and `startapp` leave, as far as it matters."""
    for package in ("mysite", "orders"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    (folder / "mysite" / "settings.py").write_text(SETTINGS)
    (folder / "manage.py").write_text(MANAGE)


def follow(text: str, folder: Path) -> list[str]:
    """Write what its blocks of Python say, and return the commands for `manage.py`."""
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        name = block.partition("\n")[0].removeprefix("# ")
        with (folder / name).open("a") as file:
            file.write(block)
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    return re.findall(r"^python (manage\.py [^#\n]+)", shell, re.MULTILINE)


def test_the_outbox_is_added_to_a_project_as_the_how_to_says(
    database_url: str, tmp_path: Path
) -> None:
    new_project(tmp_path)
    commands = follow((HOW_TO / "add-to-a-project.md").read_text(), tmp_path)
    env = os.environ | {
        "DATABASE_URL": database_url,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    env.pop("DJANGO_SETTINGS_MODULE", None)
    said = {}
    for command in commands:
        words = [sys.executable, *shlex.split(command)]
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        said[words[2]] = done.stdout + done.stderr
    assert list(said) == ["makemigrations", "migrate", "check", "test", "outbox_models"]
    assert "no issues" in said["check"]
    assert "Ran 1 test" in said["test"]
    with psycopg.connect(database_url) as connection:
        topics = connection.execute("SELECT name FROM outbox_topic ORDER BY name").fetchall()
    assert topics == [("mysite.order-events",), ("mysite.orders",)]


def test_the_list_of_models_in_the_how_to_is_what_the_shop_prints(database_url: str) -> None:
    text = (HOW_TO / "find-what-is-not-captured.md").read_text()
    (table,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    done = manage(database_url, "outbox_models")
    assert done.returncode == 0, done.stderr
    assert set(table.splitlines()) <= set(done.stdout.splitlines())
    assert len(table.splitlines()) > 3
