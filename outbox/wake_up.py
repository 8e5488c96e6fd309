"""The trigger by which whoever writes an event wakes the publishers that sleep."""

from __future__ import annotations

from pathlib import Path


def create() -> str:
    """The statements that make the function and its trigger."""
    return (Path(__file__).parent / "sql" / "wake_up.sql").read_text()


def drop() -> str:
    """The statements that remove them."""
    return "DROP TRIGGER outbox_wake_up ON outbox_event; DROP FUNCTION outbox_wake_up();"
