"""Run Django's own tests with every model captured, on a PostgreSQL of their own."""

import argparse
import os

from local.ladder import NothingAvailable
from local.postgres import postgres
from local.scratch import scratch
from tests.django_suite.runner import MODULES, run
from tests.django_suite.source import NoSource, tests

UNAVAILABLE = 3
"""The exit code where this machine cannot run them."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.django_suite", description=__doc__)
    parser.add_argument("modules", nargs="*", help="of Django's tests; all that count by default")
    modules = parser.parse_args().modules or MODULES
    try:
        folder = tests()
        with postgres(fsync=False) as server, scratch("django") as work:
            os.environ["DATABASE_URL"] = server.url
            return min(run(folder, modules, work), 1)
    except (NoSource, NothingAvailable) as why:
        print(why)
        return UNAVAILABLE


if __name__ == "__main__":
    raise SystemExit(main())
