"""What a receiver returned, as events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel

from outbox.errors import NotAnEvent
from schemas import Event


def events_of(receiver: str, result: object) -> tuple[object, tuple[Event, ...]]:
    """The result for the sender of the signal, and the events in it.

    The result is as it was, only what could be read once comes back as the tuple of its events.
    """
    match result:
        case None:
            return None, ()
        case Event():
            return result, (result,)
        case Iterable() if not isinstance(result, str | bytes | Mapping | BaseModel):
            events = tuple(_event(receiver, each) for each in result)
            return events if isinstance(result, Iterator) else result, events
        case _:
            event = _event(receiver, result)
            return event, (event,)


def _event(receiver: str, result: object) -> Event:
    if isinstance(result, Event):
        return result
    raise NotAnEvent(
        f"receiver {receiver} returned {_name(result)}, which is no event; return "
        "None, an instance of a class derived from outbox.Event, or several"
    )


def _name(result: object) -> str:
    if isinstance(result, type):
        return f"the class {result.__qualname__}"
    return type(result).__qualname__
