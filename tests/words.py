"""Recording words, one event each, and failing to."""

import pytest

import outbox
from tests.app.events import Said


class Stop(Exception):
    """What a test raises to end a transaction."""


def say(*words: str) -> None:
    for word in words:
        outbox.record(Said(who="me", what=word))


def fail() -> None:
    """Record what cannot be recorded, and swallow the exception."""
    with pytest.raises(outbox.OutboxError):
        outbox.record("no event")  # type: ignore[arg-type]
