"""Transactions that write outbox rows by plain SQL, as any writer of the tables could."""

import psycopg

INSERT = """
    INSERT INTO outbox_event (event_id, topic, key, type, version, subject, value)
    VALUES (gen_random_uuid(), %s, %s, 'test.event', 1, convert_from(%s, 'UTF8'), %s)
    RETURNING id
"""


class Writer:
    """One open transaction."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)

    def touch(self) -> int:
        row = self._connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        assert row is not None
        return int(row[0])

    def record(self, *, key: bytes = b"k", value: bytes | None = b"{}", topic: str = "t") -> int:
        row = self._connection.execute(INSERT, (topic, key, key, value)).fetchone()
        assert row is not None
        return int(row[0])

    def execute(self, sql: str) -> None:
        self._connection.execute(sql)

    def commit(self) -> None:
        self._connection.commit()
        self._connection.close()

    def rollback(self) -> None:
        self._connection.rollback()
        self._connection.close()

    def prepare(self, gid: str) -> None:
        """End the session with a prepared transaction."""
        self._connection.execute(f"PREPARE TRANSACTION '{gid}'")
        self._connection.close()


def write(url: str, *keys: bytes, topic: str = "t", value: bytes | None = b"{}") -> list[int]:
    """Record one event for each key, in one transaction; return their ids."""
    writer = Writer(url)
    ids = [writer.record(key=key, topic=topic, value=value) for key in keys]
    writer.commit()
    return ids


def execute(url: str, sql: str) -> None:
    """Run statements in a transaction of their own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())
