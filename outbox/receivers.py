"""Functions that receive signals and return events."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial, wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.apps.registry import Apps
from django.contrib.auth.signals import user_login_failed
from django.db import connections, transaction
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from outbox import database
from outbox.autocommit import is_recorder, mark_recorder
from outbox.buffer import buffer_of
from outbox.errors import InvalidReceiver
from outbox.record import record
from outbox.returned import events_of
from outbox.suppression import is_suppressed
from outbox.transactions import in_transaction
from schemas import Event

F = TypeVar("F", bound=Callable[..., Event | Iterable[Event] | None])

logger = logging.getLogger("outbox")


def receiver(
    signal: Signal | Sequence[Signal],
    *,
    sender: object = None,
    weak: bool = False,
    dispatch_uid: object = None,
    apps: Apps | None = None,
) -> Callable[[F], F]:
    """Connect a function to a signal, or to several, and record the events that it returns.

    The function returns None, one event or several (a generator may yield them). What it raises
    goes to the sender as with Django's `receiver`, and the transaction will not commit. Outside a
    transaction, one is opened around it, except for model signals: there the row is in none.

    What the decorator returns is what it connected: `signal.disconnect(function, sender=...)` and
    `signal.connect(function, ...)` work with it. It returns what the function returns, for a
    generator the tuple of what it yielded. With `weak`, it is connected for as long as somebody
    holds it, otherwise for ever; the other arguments are those of `signal.connect`, `apps` is for
    signals of models. Raises InvalidReceiver for `async def`, and where no signal is named.
    """
    signals = _signals(signal)
    options: dict[str, Any] = {"sender": sender, "weak": weak, "dispatch_uid": dispatch_uid}
    if apps is not None:  # other signals do not know it
        options["apps"] = apps

    def decorate(function: F) -> F:
        connected = function if is_recorder(function) else _recorder(function)
        for each in signals:
            each.connect(connected, **options)
        return connected

    return decorate


def _recorder(function: F) -> F:
    _refuse_async(function)
    name = getattr(function, "__qualname__", repr(function))

    @wraps(function)
    def recorder(*args: object, **kwargs: Any) -> object:
        if is_suppressed(kwargs.get("sender", args[0] if args else None)):
            return None
        signal = kwargs.get("signal")
        # What a custom signal calls `using` is its own affair.
        using = kwargs.get("using") if isinstance(signal, ModelSignal) else None
        call = partial(_record_result, name, partial(function, *args, **kwargs), using)
        if signal is user_login_failed:
            return _confined(name, call)
        if signal is None or isinstance(signal, ModelSignal):
            return call()
        return _in_transaction(call)

    mark_recorder(recorder)
    return cast("F", recorder)


def _record_result(name: str, function: Callable[[], object], using: str | None) -> object:
    alias = database.alias()
    if using not in (None, alias):
        return _refuse_result(name, function, using)
    buffer = buffer_of(connections[alias])
    try:
        result, events = events_of(name, function())
        if events:
            record(*events)
    except BaseException as failure:
        buffer.spoil(failure)
        raise
    return result


def _refuse_result(name: str, function: Callable[[], object], using: str) -> object:
    """A signal from another database: fine as long as there is nothing to record."""
    result, events = events_of(name, function())
    if events:
        database.require_outbox(using, f"what {name} received")
    return result


def _in_transaction(call: Callable[[], object]) -> object:
    alias = database.alias()
    if in_transaction(connections[alias]):
        return call()
    with transaction.atomic(using=alias):
        return call()


def _confined(name: str, call: Callable[[], object]) -> object:
    """Record in a savepoint of its own: no failure may break a login, or say what was typed."""
    alias = database.alias()
    try:
        with transaction.atomic(using=alias), buffer_of(connections[alias]).discreet():
            return call()
    except Exception as failure:
        # Frames without the message: messages quote values, and these came with credentials.
        frames = "".join(traceback.format_tb(failure.__traceback__))
        logger.error(
            "receiver %s of user_login_failed could not record its event: %s\n%s",
            name,
            type(failure).__qualname__,
            frames,
        )
        return None


def _signals(given: Signal | Sequence[Signal]) -> Sequence[Signal]:
    signals = given if isinstance(given, Sequence) else [given]
    if signals and all(isinstance(each, Signal) for each in signals):
        return signals
    raise InvalidReceiver(
        f"receiver({given!r}) names no signal to connect to; name one, or several in a list, such "
        "as @outbox.receiver(post_save, sender=Order)"
    )


def _refuse_async(function: Callable[..., object]) -> None:
    call = getattr(function, "__call__", function)  # noqa: B004
    if any(
        iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (function, call)
    ):
        raise InvalidReceiver(
            f"receiver {function!r} is asynchronous and would run on another connection, outside "
            "the transaction; make it a plain def, and do slow work in a consumer of the event"
        )
