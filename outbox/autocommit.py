"""Closing the gap of autocommit, where Django sends `post_save` after its own commit."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any

from django.db import connections, router, transaction
from django.db.models import Model
from django.db.models.signals import ModelSignal, post_delete, post_save, pre_delete, pre_save

from outbox import conf
from outbox.errors import AutocommitRefused

_MARK = "_records_for_outbox"

SAVE = (pre_save, post_save)
DELETE = (pre_delete, post_delete)


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


def guard(
    using: str, models: Iterable[type[Model]], signals: Iterable[ModelSignal]
) -> AbstractContextManager[object]:
    """A transaction where none is open and a model records, or OUTBOX_AUTOCOMMIT's refusal."""
    connection = connections[using]
    if connection.in_atomic_block:
        return nullcontext()
    recording = [model for model in models if records(model, signals)]
    if not recording or not connection.get_autocommit():
        return nullcontext()
    if conf.current().autocommit == "require":
        raise AutocommitRefused(
            f"{recording[0]._meta.label} is recorded and would be written outside a transaction of "
            f'database {using!r}; open one with atomic(), or set OUTBOX_AUTOCOMMIT="wrap"'
        )
    return transaction.atomic(using=using)


def install() -> None:
    """Guard `Model.save_base`, which every way to save one instance goes through; idempotent."""
    if is_recorder(Model.save_base):
        return
    save_base = Model.save_base

    @wraps(save_base)
    def guarded(self: Model, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or (args[3] if len(args) > 3 else None)
        using = using or router.db_for_write(type(self), instance=self)
        with guard(using, (type(self),), SAVE):
            save_base(self, *args, **kwargs)

    mark_recorder(guarded)
    setattr(Model, "save_base", guarded)  # noqa: B010
