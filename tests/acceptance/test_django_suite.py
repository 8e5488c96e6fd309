"""Django's own tests pass with every model captured, in a process of their own."""

import os
import re
import subprocess
import sys

from local.postgres import Postgres
from local.scratch import ROOT
from tests.django_suite.__main__ import UNAVAILABLE
from tests.django_suite.exclusions import EXCLUSIONS
from tests.django_suite.runner import MODULES
from tests.needs import unmet


def run(server: Postgres, *modules: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.django_suite", *modules]
    env = {**os.environ, "DATABASE_URL": server.url}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode == UNAVAILABLE:
        unmet(done.stdout)
    return done


def number(pattern: str, output: str) -> int:
    found = re.search(pattern, output)
    assert found, output
    return int(found[1])


def test_djangos_own_tests_pass_with_every_model_captured(postgres_server: Postgres) -> None:
    done = run(postgres_server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"modules: {', '.join(sorted(MODULES))}\n" in done.stdout
    assert number(r"tests: (\d+) run", done.stdout) >= 540
    assert number(r"captured: (\d+) models", done.stdout) >= 151
    assert number(r"refused: (\d+)", done.stdout) <= 4
    assert number(r"the events gave the rows beside (\d+) tests", done.stdout) >= 480
    assert number(r"unreadable, .*: (\d+)", done.stdout) <= 8


def test_no_more_than_ten_of_djangos_tests_are_excluded_each_with_its_reason() -> None:
    assert len(EXCLUSIONS) <= 10
    assert all(EXCLUSIONS.values())


def test_a_test_of_djangos_that_fails_fails_the_run(postgres_server: Postgres) -> None:
    done = run(postgres_server, "transaction_hooks.tests.NoSuchTests")
    assert done.returncode == 1, done.stdout + done.stderr
