"""An event as literals of SQL.

Adapting each value costs psycopg more time than the database needs for the row.
"""

from __future__ import annotations

from typing import Any

from psycopg.pq import Escaping

from outbox.recorded import Recorded


def literals(row: Recorded, raw: Any) -> str:
    """The values of a row on a connection of psycopg's; topics and types have nothing to escape."""
    return (
        f"('{row.raw_id.hex()}', '{row.topic}', {_bytea(row.key)}, '{row.type}', {row.version}, "
        f"{_text(row.subject, raw)}, {_bytea(row.value)}, {_bytea(row.headers)})"
    )


def _text(text: str | None, raw: Any) -> str:
    if text is None:
        return "NULL"
    if plain := _plain(text):
        return plain
    # Read in another encoding than the connection's, a text may hide a quote from the escaping.
    encoding = raw.info.encoding
    return Escaping(raw.pgconn).escape_literal(text.encode(encoding)).decode(encoding)


def _bytea(data: bytes | None) -> str:
    if data is None:
        return "NULL"
    if data.isascii() and (plain := _plain(data.decode())):
        return plain
    # In this form a backslash is one, whatever standard_conforming_strings says.
    return rf"E'\\x{data.hex()}'"


def _plain(text: str) -> str | None:
    """A literal that is the same under every setting, in every encoding, and as bytes."""
    if not text.isascii() or "\\" in text or "\0" in text:
        return None
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
