"""A sign of life, whatever keeps the loop away from the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from publisher.adapters.connection import Connection
from publisher.leader import PULSE


class Heartbeat:
    """Runs a statement on a connection that nobody has used for `PULSE` seconds, in a thread.

    Those that stand by tell a frozen process from one that asks Kafka something for seconds. First
    `settle` takes the answer to what the loop has asked. What goes wrong here, the loop meets at
    its next statement.
    """

    def __init__(self, connection: Connection, settle: Callable[[], object]) -> None:
        self._connection, self._settle = connection, settle
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Return when the connection is not used any more; within a second if the server hangs."""
        self._ended.set()
        self._connection.hurry()
        self._thread.join()

    def _run(self) -> None:
        with suppress(psycopg.Error):
            while not self._ended.wait(PULSE / 4):
                if time.monotonic() - self._connection.used_at >= PULSE:
                    self._settle()
                    self._connection.beat()
