"""Publishers with a naive reader: `python -m tests.acceptance.stress.mutants NAME`.

Each must fail the stress test, or the test proves nothing.
"""

import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from publisher.adapters.clients import client_problems
from publisher.adapters.kafka_python import KafkaPythonBroker
from publisher.adapters.postgres import PostgresStore
from publisher.config import load
from publisher.health import Health
from publisher.ports import Limits, Row, SmallWindow, Store
from publisher.position import Position, Snapshot
from publisher.relay import Relay
from publisher.stop import Stop
from publisher.window import Page, Window

COLUMNS = b"""
    SELECT pg_current_snapshot()::text, xid::text::bigint, id,
        convert_to(event_id::text, 'UTF8'), topic, key, type, version,
        convert_to(subject, 'UTF8'), value, headers, convert_to(created_at::text, 'UTF8')
    FROM outbox_event
"""


class Naive(PostgresStore):
    """Keeps a cursor of numbers where the real one keeps a snapshot."""

    def found(self, where: bytes, *params: object) -> list[tuple[int, Row]]:
        with self._live.cursor(binary=True) as cursor:
            rows = cursor.execute(COLUMNS + where, params).fetchall()
        return [(row[1], Row(*row[2:])) for row in rows]


class LastId(Naive):
    """`id > last ORDER BY id`: loses what becomes visible late."""

    def small_window(self, prev: Snapshot, limits: Limits) -> SmallWindow:
        # One more than the last id, for the snapshot before the first row is 1.
        rows = self.found(b"WHERE id >= %s ORDER BY id LIMIT %s", prev.xmin, limits.rows)
        after = rows[-1][1].id + 1 if rows else prev.xmin
        return SmallWindow(Snapshot(after, after), [row for _, row in rows])


class BelowXmin(Naive):
    """`(xid, id) > last`, below the oldest transaction in progress: inverts keys."""

    def small_window(self, prev: Snapshot, limits: Limits) -> SmallWindow:
        last_xid, last_id = prev.xmin, prev.xmax - prev.xmin
        rows = self.found(
            b"""WHERE xid < pg_snapshot_xmin(pg_current_snapshot())
                AND (xid, id) > (%s::text::xid8, %s) ORDER BY xid, id LIMIT %s""",
            str(last_xid),
            last_id,
            limits.rows,
        )
        if rows:
            last_xid, last_id = rows[-1][0], rows[-1][1].id
        return SmallWindow(Snapshot(last_xid, last_xid + last_id), [row for _, row in rows])


class FirstOfTooMany(Naive):
    """Where more than n rows are new, publishes the first n by transaction."""

    def first_rows(self, at: Position, limits: Limits) -> tuple[Snapshot, list[Row]]:
        now = self.small_window(at.prev, Limits(rows=1, bytes=1)).now
        rows = self.found(
            b"""WHERE NOT pg_visible_in_snapshot(xid, %s::pg_snapshot)
                AND pg_visible_in_snapshot(xid, %s::pg_snapshot) ORDER BY xid, id LIMIT %s""",
            str(at.prev),
            str(now),
            limits.rows,
        )
        return now, sorted((row for _, row in rows), key=lambda row: row.id)


class FirstOfTooManyWindow:
    """Reads the first n, then goes on behind the highest of their ids."""

    def __init__(self, store: FirstOfTooMany, position: Position, *, limits: Limits) -> None:
        self._store, self._limits, self._at = store, limits, position

    def foresee(self) -> None: ...

    def read(self) -> Page:
        start = self._at
        if start.now is None:
            now, rows = self._store.first_rows(start, self._limits)
            full = len(rows) == self._limits.rows
            self._at = Position(start.prev, now, rows[-1].id) if full else Position(now)
            return Page(rows, start, self._at)
        chunk = self._store.span(start, start.last_id, 2**62, self._limits)
        end = Position(start.prev, start.now, chunk.rows[-1].id) if chunk.rows else None
        self._at = Position(start.now) if chunk.exhausted or end is None else end
        return Page(chunk.rows, start, self._at)


MUTANTS: dict[str, Callable[..., Any]] = {
    "last-id": LastId,
    "below-xmin": BelowXmin,
    "first-of-too-many": FirstOfTooMany,
}


def main(name: str) -> None:
    config = load(client_problems)
    store: Store = MUTANTS[name](config.database_url.get_secret_value(), name=config.name)
    naive = FirstOfTooManyWindow if isinstance(store, FirstOfTooMany) else Window
    stop = Stop()
    stop.on_signals()
    with patch("publisher.relay.Window", naive):
        Relay(
            store=store,
            broker=KafkaPythonBroker(config.kafka_bootstrap_servers),
            health=Health(),
            limits=Limits(rows=config.page_rows),
        ).run(stop)


if __name__ == "__main__":
    main(sys.argv[1])
