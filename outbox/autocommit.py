"""Closing the gap of autocommit, where Django sends `post_save` after its own commit."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.db.models.signals import ModelSignal

from outbox import conf
from outbox.errors import AutocommitRefused
from outbox.suppression import is_suppressed
from outbox.tables import is_followed, tables_of

_MARK = "_records_for_outbox"
_NO_GUARD = nullcontext()


def mark_recorder(receiver: object) -> None:
    """Let writes that reach this receiver of signals count as writes that record."""
    setattr(receiver, _MARK, True)


def is_recorder(receiver: object) -> bool:
    return getattr(receiver, _MARK, False)


def records(model: type[Model], signals: Iterable[ModelSignal]) -> bool:
    """Whether any of these signals of a model reaches a receiver that records."""
    return any(
        is_recorder(receiver)
        for signal in signals
        for receiver in signal._live_receivers(model)[0]  # the truth, whoever connected it
    )


def guard(connection: BaseDatabaseWrapper, what: str) -> AbstractContextManager[object]:
    """A transaction where none is open, or OUTBOX_AUTOCOMMIT's refusal."""
    using = connection.alias
    if connection.in_atomic_block or not connection.get_autocommit():
        return _NO_GUARD
    if conf.current().autocommit == "require":
        raise AutocommitRefused(
            f"{what} is recorded and would be written outside a transaction of database "
            f"{using!r}; open one with atomic(using={using!r}), or set OUTBOX_AUTOCOMMIT='wrap'"
        )
    return transaction.atomic(using=using)


def may_record(model: type[Model], signals: Iterable[ModelSignal]) -> bool:
    """False where it is quickly seen that nothing records what is written of this model."""
    for signal in signals:
        if signal.receivers:
            return True
    return is_followed(model) or any(map(is_followed, model._meta.all_parents))


def guard_all(
    using: str, models: Iterable[type[Model]], signals: Iterable[ModelSignal], *, raw: bool = False
) -> AbstractContextManager[object]:
    """The same for what writes these models and sends these signals, if anything records it."""
    connection = connections[using]
    if connection.in_atomic_block:
        return _NO_GUARD
    for model in filter(lambda each: may_record(each, signals), models):
        if tables_of(model, raw=raw) or (not is_suppressed(model) and records(model, signals)):
            return guard(connection, model._meta.label)
    return _NO_GUARD
