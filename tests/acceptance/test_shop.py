"""The shop of the examples, with its own settings: in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from local.postgres import Postgres
from local.scratch import ROOT

CASES = [f"tests.acceptance.{path.stem}" for path in Path(__file__).parent.glob("shop_*cases.py")]


def manage(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "examples.shop.settings"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def test_the_shop_records_what_its_requests_do_and_no_secret(database_url: str) -> None:
    done = manage(database_url, "test", "--noinput", *CASES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 0 tests" not in done.stderr


def test_the_checks_of_the_shop_find_nothing(postgres_server: Postgres) -> None:
    done = manage(postgres_server.url, "check", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_the_checks_of_the_shop_find_nothing_in_its_database(database_url: str) -> None:
    check = ("check", "--fail-level", "WARNING", "--database", "default")
    assert manage(database_url, "migrate", "--verbosity=0").returncode == 0
    done = manage(database_url, *check)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE outbox_metadata SET source = '/elsewhere'")
    assert "outbox.W003" in manage(database_url, *check).stderr


def test_the_migrations_of_the_shop_are_complete(database_url: str) -> None:
    done = manage(database_url, "makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
