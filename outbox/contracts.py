"""Contracts, and classes of events, that are made for what is captured."""

from __future__ import annotations

import types
from dataclasses import asdict
from typing import TypeVar, cast

from django.db.models import Model

from schemas import Contract, Event
from schemas.errors import InvalidContract

E = TypeVar("E", bound=Event)


def contract_of(
    label: str,
    *,
    type: str | None,  # noqa: A002 - the word of an event's class line
    version: int,
    topic: str,
    key: str | None = None,
) -> Contract:
    """What is captured, by its own name unless a type is given; InvalidContract names it too."""
    try:
        return Contract(type=type or label.lower(), version=version, topic=topic, key=key)
    except InvalidContract as exc:
        raise InvalidContract(f"{label} cannot be captured: {exc}") from None


def event_class(base: type[E], contract: Contract, *, model: type[Model], place: str) -> type[E]:
    """A class of this contract; `place` is its name in error messages and in the registry.

    No class that somebody writes may be called so: it would take the place of this one.
    """
    names = {"__module__": model.__module__, "__qualname__": place}
    made = types.new_class(
        f"{model.__name__}{base.__name__.partition('[')[0]}",
        (base,),
        asdict(contract),
        lambda namespace: namespace.update(names),
    )
    return cast("type[E]", made)
