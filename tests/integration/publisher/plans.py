"""What PostgreSQL does for a statement: the plan that it chooses, and the rows that it touches."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from publisher.adapters.connection import Connection
from publisher.sql import statement


def retained(connection: Connection, rows: int) -> None:
    """Write rows, in one transaction."""
    connection.execute(
        """
        INSERT INTO outbox_event (event_id, topic, key, type, version, value)
        SELECT gen_random_uuid(), 't', 'k', 'test.event', 1, '{}' FROM generate_series(1, %s)
        """,
        [rows],
    )


def plan_of_many(connection: Connection, name: str, **params: object) -> str:
    """The plan of a prepared statement that was executed more than five times."""
    text, names = statement(name).decode(), list(params)
    for place, param in enumerate(names, 1):
        text = text.replace(f"%({param})s", f"${place}")
    text = text.replace("%%", "%")
    values = ", ".join("NULL" if params[param] is None else f"'{params[param]}'" for param in names)
    connection.execute(f"PREPARE many AS {text}".encode())
    for _ in range(7):
        connection.execute(f"EXECUTE many ({values})".encode())
    rows = connection.execute(f"EXPLAIN (COSTS OFF) EXECUTE many ({values})".encode()).fetchall()
    connection.execute("DEALLOCATE many")
    return "\n".join(row[0] for row in rows)


def work(connection: Connection, name: str, **params: object) -> int:
    """How many rows of tables and indexes an execution looks at."""
    plan = _executed(connection, name, params)
    return sum(_looked_at(node) for node in _nodes(plan) if _scans(node))


def blocks(connection: Connection, name: str, **params: object) -> int:
    """How many blocks an execution reads, those of dead rows included."""
    plan = _executed(connection, name, params)
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _executed(connection: Connection, name: str, params: Mapping[str, object]) -> dict[str, Any]:
    query = b"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement(name)
    ((explained,),) = connection.execute(query, params)
    plan: dict[str, Any] = explained[0]["Plan"]
    return plan


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _scans(node: dict[str, Any]) -> bool:
    return bool(re.fullmatch(r"(Seq|Index|Index Only|Bitmap Heap) Scan", node["Node Type"]))


def _looked_at(node: dict[str, Any]) -> int:
    found = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return int(found * node["Actual Loops"])
