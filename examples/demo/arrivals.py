"""What has arrived so far, as a table for people."""

from typing import Any

import psycopg
from rich.table import Table

RECORDED = "SELECT topic, count(*) FROM outbox_event GROUP BY topic ORDER BY topic"
DELIVERED = """
    SELECT topic, count(DISTINCT event_id), count(*) - count(DISTINCT event_id),
        (array_agg(key ORDER BY number DESC))[1], max(sequence)
    FROM delivered GROUP BY topic
"""


class Arrivals:
    """Watches the shop's outbox and the replica's journal."""

    def __init__(self, source_url: str, replica_url: str) -> None:
        self._source = psycopg.connect(source_url, autocommit=True)
        self._replica = psycopg.connect(replica_url, autocommit=True)

    def complete(self) -> bool:
        """Whether as many events arrived as were recorded."""
        recorded = sum(count for _, count in self._source.execute(RECORDED))
        return bool(recorded == sum(row[1] for row in self._delivered().values()))

    def table(self, caption: str = "") -> Table:
        table = Table(caption=caption, title="what arrives downstream")
        table.add_column("topic", no_wrap=True)
        for heading in ("recorded", "delivered", "duplicates", "last key", "sequence"):
            table.add_column(heading, justify="right", no_wrap=True)
        delivered = self._delivered()
        for topic, recorded in self._source.execute(RECORDED):
            arrived = delivered.get(topic, (topic, 0, 0, "", ""))
            table.add_row(topic, str(recorded), *map(str, arrived[1:]))
        return table

    def close(self) -> None:
        self._source.close()
        self._replica.close()

    def _delivered(self) -> dict[str, tuple[Any, ...]]:
        exists = self._replica.execute("SELECT to_regclass('delivered') IS NOT NULL").fetchone()
        if exists != (True,):
            return {}
        return {row[0]: row for row in self._replica.execute(DELIVERED)}
