"""Which of several ways to have a service is taken: the first that this machine can offer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final, Literal, TypeVar

Rung = Literal["external", "container", "apache", "wheel"]
Server = TypeVar("Server")

# How each rung is entered.
Ways = Mapping[Rung, Callable[[], AbstractContextManager[Server]]]

# From the first choice to the last.
POSTGRES: Final[Sequence[Rung]] = ("external", "container", "wheel")
KAFKA: Final[Sequence[Rung]] = ("external", "container", "apache", "wheel")


class Unavailable(Exception):
    """Why this machine cannot offer one rung."""


class NothingAvailable(Exception):
    """A service cannot be had here; the message says why for each rung."""

    def __init__(self, service: str, reasons: Mapping[Rung, str]) -> None:
        listed = "; ".join(f"{rung}: {why}" for rung, why in reasons.items())
        super().__init__(f"No way to have {service} on this machine. {listed}.")


@contextmanager
def climb(
    service: str,
    rungs: Sequence[Rung],
    ways: Ways[Server],
) -> Iterator[Server]:
    """Enter the first of `rungs` that does not raise Unavailable, else raise NothingAvailable."""
    reasons: dict[Rung, str] = {}
    with ExitStack() as stack:
        for rung in rungs:
            try:
                server = stack.enter_context(ways[rung]())
            except Unavailable as why:
                reasons[rung] = str(why)
                continue
            yield server
            return
    raise NothingAvailable(service, reasons)
