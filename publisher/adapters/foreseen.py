"""A statement that PostgreSQL works at while the loop does something else."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import psycopg

from publisher.adapters.connection import Connection


class Foreseen:
    """The answer to a statement that is sent at once.

    The connection takes no other one until `rows` was asked for, which any thread may do, again
    and again. Where that fails it is closed.
    """

    def __init__(self, connection: Connection, query: Any, params: Mapping[str, object]) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._rows = Future[Sequence[tuple[Any, ...]]]()
        with ExitStack() as stack:
            stack.enter_context(connection.pipeline())
            self._cursor = stack.enter_context(connection.cursor(binary=True))
            self._cursor.execute(query, params, prepare=True)
            self._stack = stack.pop_all()

    def rows(self) -> Sequence[tuple[Any, ...]]:
        """Wait for the answer."""
        with self._lock:
            if not self._rows.done():
                self._take()
        return self._rows.result()

    def _take(self) -> None:
        try:
            with self._stack:
                rows = self._fetch()
        except psycopg.Error as exc:
            self._rows.set_exception(_first(exc))
        else:
            self._rows.set_result(rows)

    def _fetch(self) -> Sequence[tuple[Any, ...]]:
        try:
            return self._cursor.fetchall()
        except psycopg.Error:
            self._connection.close()  # Else the end of the pipeline is waited for as long again.
            raise


def _first(exc: BaseException) -> BaseException:
    """What went wrong: behind it, the end of the pipeline fails for reasons of its own."""
    while isinstance(exc.__context__, psycopg.Error):
        exc = exc.__context__
    return exc
