"""What a run of Django's tests came to."""

from collections.abc import Iterator
from typing import Any
from unittest import TestResult

import django
from django.apps import apps
from django.db import connection
from django.db.models import Model

from outbox.capture import captured_models
from tests.django_suite.counting import ALLOWED
from tests.django_suite.exclusions import EXCLUSIONS
from tests.django_suite.models import Models
from tests.django_suite.oracle import Oracle


class Summary:
    """Collects while the tests run, and says it at the end."""

    def __init__(self, models: Models, oracle: Oracle) -> None:
        self.tests: list[str] = []
        self.excluded: list[str] = []
        self._models = models
        self._oracle = oracle
        self._inside: set[str] = set()

    @property
    def modules(self) -> list[str]:
        return sorted({test.split(".")[0] for test in self.tests})

    @property
    def stale(self) -> list[str]:
        """Exclusions of these modules that name no test."""
        named = (each for each in EXCLUSIONS if each.split(".")[0] in self.modules)
        return [each for each in named if each not in self.excluded]

    @property
    def faults(self) -> int:
        """What is wrong besides tests that fail."""
        return len(self.stale)

    def defined(self, sender: type[Model], **kwargs: Any) -> None:
        """A test has made a model."""
        if sender._meta.apps is not apps:
            self._inside.add(sender._meta.label)

    def show(self, result: TestResult) -> None:
        print("\n".join(self._lines(result)), flush=True)

    def _lines(self, result: TestResult) -> Iterator[str]:
        version = connection.get_database_version()[0]
        yield f"Django {django.__version__} on PostgreSQL {version}"
        yield f"modules: {', '.join(self.modules)}"
        yield f"tests: {result.testsRun} run, {len(result.skipped)} of them skipped by Django"
        yield f"excluded: {len(self.excluded)}"
        yield from (f"  {each}: it {EXCLUSIONS[each]}" for each in self.excluded)
        yield from (f"  no such test, remove the exclusion: {each}" for each in self.stale)
        yield from self._about_models()
        yield from self._about_events()

    def _about_models(self) -> Iterator[str]:
        made = [each.model for each in captured_models()]
        relations = sum(bool(model._meta.auto_created) for model in made)
        children = sum(bool(model._meta.all_parents) for model in made)
        yield f"captured: {len(made)} models, and by these also {len(self._models.proxies)} proxies"
        yield f"  {relations} made for relations, {children} children by multi-table inheritance"
        yield f"refused: {len(self._models.refused)}"
        yield from (f"  {label}: {why}" for label, why in self._models.refused.items())
        yield f"unmanaged, without a table: {', '.join(self._models.unmanaged) or 'none'}"
        yield f"defined inside tests, without a table and never written: {len(self._inside)}"

    def _about_events(self) -> Iterator[str]:
        yield f"oracle: the events gave the rows beside {self._oracle.comparisons} tests"
        yield f"unreadable, in a transaction that had failed: {len(self._oracle.unreadable)}"
        yield from (f"  {each}" for each in self._oracle.unreadable)
        allowed = ", ".join(f"{queries} {purpose}" for purpose, queries in ALLOWED.items())
        yield f"assertNumQueries allowed for capture: {allowed}"
