"""`assertNumQueries` that allows what the reference states, and not a query more."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

from tests.django_suite.cost import Cost, cost
from tests.django_suite.ledger import Ledger

ALLOWED: Counter[str] = Counter()
"""The queries that were allowed in this run, by what they were for."""


class Counted(CaptureQueriesContext):
    """Fails unless the block executes `wanted` queries and those that capture may add."""

    def __init__(
        self, test: TransactionTestCase, wanted: int, connection: BaseDatabaseWrapper
    ) -> None:
        super().__init__(connection)
        self._test, self._wanted = test, wanted
        self._ledger = Ledger(connection)
        self._books = ExitStack()

    def __enter__(self) -> Self:
        super().__enter__()
        self._books.enter_context(self._ledger.open())
        return self

    def __exit__(self, *failure: Any) -> None:
        self._books.close()
        super().__exit__(*failure)
        if failure[0] is None:
            self._compare(cost(self._ledger))

    def _compare(self, allowed: Cost) -> None:
        for purpose, queries in allowed._asdict().items():
            ALLOWED[purpose] += queries
        executed = [each["sql"] for each in self.captured_queries]
        if len(executed) != self._wanted + allowed.queries:
            self._test.fail(
                f"{len(executed)} queries executed, {self._wanted} expected by the test, and "
                f"{allowed} allowed for capture; executed were:\n" + "\n".join(executed)
            )


def assert_num_queries(
    self: TransactionTestCase,
    num: int,
    func: Callable[..., object] | None = None,
    *args: Any,
    using: str = DEFAULT_DB_ALIAS,
    **kwargs: Any,
) -> Counted | None:
    """Takes the place of Django's."""
    context = Counted(self, num, connections[using])
    if func is None:
        return context
    with context:
        func(*args, **kwargs)
    return None
