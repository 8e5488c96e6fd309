"""The shop of the examples, with its own settings: in a process of its own."""

import os
import subprocess
import sys

from local.postgres import Postgres
from local.scratch import ROOT


def manage(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "examples.shop.settings"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def test_the_shop_records_what_its_requests_do_and_no_secret(database_url: str) -> None:
    done = manage(database_url, "test", "--noinput", "tests.acceptance.shop_cases")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 0 tests" not in done.stderr


def test_the_checks_of_the_shop_find_nothing(postgres_server: Postgres) -> None:
    done = manage(postgres_server.url, "check", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_the_migrations_of_the_shop_are_complete(database_url: str) -> None:
    done = manage(database_url, "makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
