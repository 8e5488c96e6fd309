"""What happened to a row of a captured model."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from schemas.event import Event

T = TypeVar("T")


class Change(Event, Generic[T]):
    """A row was created, updated, deleted, or read by a backfill."""

    op: Literal["create", "update", "delete", "read"]
    before: T | None = None
    after: T | None = None
    changed: tuple[str, ...] | None = None
