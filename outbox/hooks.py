"""The methods by which Django's connection begins, ends and divides a transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from outbox.buffer import Buffer


def install(connection: BaseDatabaseWrapper, buffer: Buffer) -> None:
    """Stand before the methods of this connection, and of no other."""
    for name, around in (
        ("_commit", _around_commit),
        ("_rollback", _around_rollback),
        ("_close", _around_close),
        ("_savepoint", _around_savepoint),
        ("_savepoint_rollback", _around_savepoint_rollback),
        ("_savepoint_commit", _around_savepoint_commit),
        ("_set_autocommit", _around_set_autocommit),
    ):
        setattr(connection, name, around(getattr(connection, name), buffer))


def _around_commit(commit: Callable[[], None], buffer: Buffer) -> Callable[[], None]:
    def flush_and_commit() -> None:
        buffer.flush(commits=True)
        commit()
        buffer.committed()

    return flush_and_commit


def _around_rollback(rollback: Callable[[], None], buffer: Buffer) -> Callable[[], None]:
    def report_and_forget() -> None:
        buffer.report_failure()
        try:
            rollback()
        finally:
            buffer.forget()

    return report_and_forget


def _around_close(close: Callable[[], None], buffer: Buffer) -> Callable[[], None]:
    def close_and_forget() -> None:
        try:
            close()
        finally:
            buffer.forget()

    return close_and_forget


def _around_savepoint(savepoint: Callable[[str], None], buffer: Buffer) -> Callable[[str], None]:
    def mark(sid: str) -> None:
        savepoint(sid)
        buffer.mark(sid)

    return mark


def _around_savepoint_rollback(
    rollback: Callable[[str], None], buffer: Buffer
) -> Callable[[str], None]:
    def report_and_truncate(sid: str) -> None:
        left = buffer.surviving(sid)
        buffer.report_failure(left)
        rollback(sid)
        buffer.truncate(left)

    return report_and_truncate


def _around_savepoint_commit(
    release: Callable[[str], None], buffer: Buffer
) -> Callable[[str], None]:
    def unmark(sid: str) -> None:
        release(sid)
        buffer.unmark(sid)

    return unmark


def _around_set_autocommit(
    set_autocommit: Callable[[bool], None], buffer: Buffer
) -> Callable[[bool], None]:
    def settle(autocommit: bool) -> None:
        if autocommit:
            buffer.require_settled()
        set_autocommit(autocommit)

    return settle
