"""The functions in the database that triggers call, one in each file of `sql/`."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"


def create() -> str:
    """The statements that make them, or replace what an older release made."""
    return "\n".join(file.read_text() for file in sorted(_FOLDER.glob("outbox_*.sql")))


def drop() -> str:
    """They depend on nothing that PostgreSQL knows of, nor does anything on them."""
    return "\n".join(f"DROP FUNCTION {file.stem};" for file in sorted(_FOLDER.glob("outbox_*.sql")))
