"""Django's runner of tests, with every model captured and an oracle beside each test."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import TestCase, TestSuite
from unittest.mock import patch

from django.db import connection
from django.db.models.signals import class_prepared
from django.test import TestCase as DjangoTestCase
from django.test import TransactionTestCase
from django.test.runner import DiscoverRunner
from django.test.utils import iter_test_cases  # type: ignore[attr-defined]

from tests.django_suite.counting import assert_num_queries
from tests.django_suite.exclusions import exclude
from tests.django_suite.models import Models
from tests.django_suite.oracle import Oracle, forget
from tests.django_suite.summary import Summary

MODULES = (
    "signals",
    "delete",
    "bulk_create",
    "update",
    "many_to_many",
    "m2m_through",
    "model_inheritance",
    "transactions",
    "transaction_hooks",
    "get_or_create",
    "async",
)


def run(folder: Path, modules: Sequence[str], work: Path) -> int:
    """Run modules of the tests in a folder, as Django's own script does; how many tests failed."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_suite.settings"
    os.environ["TMPDIR"] = str(work)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    script = importlib.import_module("runtests")
    script.ALWAYS_INSTALLED_APPS.insert(0, "outbox")
    options = ("keepdb", "reverse", "debug_sql", "pdb", "buffer", "timing", "shuffle", "failfast")
    failed: int = script.django_tests(
        verbosity=1,
        interactive=False,
        test_labels=list(modules),
        parallel=1,
        tags=[],
        exclude_tags=[],
        test_name_patterns=[],
        start_at="",
        start_after="",
        **dict.fromkeys(options, False),
    )
    return failed


class Runner(DiscoverRunner):
    """What Django's script takes by the setting TEST_RUNNER."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.models = Models()
        self.oracle = Oracle()
        self.summary = Summary(self.models, self.oracle)

    def build_suite(self, *args: Any, **kwargs: Any) -> TestSuite:
        suite = super().build_suite(*args, **kwargs)
        tests = list(iter_test_cases(suite))
        self.summary.tests = [test.id() for test in tests]
        self.summary.excluded = list(exclude(tests))
        for test in tests:
            test.addCleanup(self._compare, test)
        return suite

    def setup_databases(self, **kwargs: Any) -> Any:
        self.models.capture_all()
        return super().setup_databases(**kwargs)

    def run_suite(self, suite: TestSuite, **kwargs: Any) -> Any:
        class_prepared.connect(self.summary.defined, weak=False)
        with (
            self.oracle.watching(),
            patch.object(TransactionTestCase, "assertNumQueries", assert_num_queries),
        ):
            return super().run_suite(suite, **kwargs)

    def suite_result(self, suite: TestSuite, result: Any, **kwargs: Any) -> int:
        self.summary.show(result)
        return int(super().suite_result(suite, result, **kwargs)) + self.summary.faults

    def _compare(self, test: TestCase) -> None:
        """Before a TestCase rolls back, and before a TransactionTestCase empties the tables."""
        if not isinstance(test, TransactionTestCase):
            return
        self.oracle.compare(test.id())
        if not isinstance(test, DjangoTestCase):
            forget(connection.introspection.django_table_names(only_existing=True))
