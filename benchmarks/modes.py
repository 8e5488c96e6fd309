"""The ways in which the publisher delivers: through which client, and what a crash may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import product
from typing import Any, NamedTuple

from pydantic import ValidationError

from publisher.config import Config

CLIENTS = ("kafka-python", "librdkafka")
DELIVERIES = ("at-least-once", "exactly-once")
_PACKAGES = {"kafka-python": "kafka", "librdkafka": "confluent_kafka"}
_CHOICE = {"kafka_client", "delivery"}


class Mode(NamedTuple):
    """A client and a delivery, written as in the names of figures."""

    client: str
    delivery: str

    def __str__(self) -> str:
        return f"{self.client}.{self.delivery}"

    @property
    def environment(self) -> dict[str, str]:
        return {"PUBLISHER_KAFKA_CLIENT": self.client, "PUBLISHER_DELIVERY": self.delivery}


MODES = [Mode(*both) for both in product(CLIENTS, DELIVERIES)]
FASTEST = Mode("librdkafka", "at-least-once")


def present(modes: Sequence[Mode], say: Callable[[str], None]) -> list[Mode]:
    """Those of the modes that this publisher has; the others are named."""
    missing = {mode: why for mode in modes if (why := refusal(mode))}
    for mode, why in missing.items():
        say(f"{mode} is skipped: {why}")
    return [mode for mode in modes if mode not in missing]


def foremost(modes: Sequence[Mode]) -> Mode:
    """The mode for what is measured of one only."""
    return FASTEST if FASTEST in modes else modes[0]


def titled(figure: str, mode: Mode) -> str:
    """A figure of the fastest mode goes without its name."""
    return figure if mode == FASTEST else f"{figure}.{mode}"


def refusal(mode: Mode) -> str | None:
    """Why the publisher cannot be run so; None where it can."""
    package = _PACKAGES[mode.client]
    if find_spec(package) is None:
        return f"the package {package} is not installed"
    return next(_refused_settings(mode), None)


def _refused_settings(mode: Mode) -> Iterator[str]:
    settings: dict[str, Any] = {
        "database_url": "postgresql://localhost/any",
        "kafka_bootstrap_servers": "localhost:9092",
        "kafka_client": mode.client,
        "delivery": mode.delivery,
    }
    try:
        Config(**settings)
    except ValidationError as exc:
        for error in exc.errors():
            if _CHOICE.issuperset(map(str, error["loc"][:1])):
                yield f"the publisher has it not yet ({error['msg']})"
