"""Client and delivery, as in `kafka-python/at-least-once`."""

from typing import NamedTuple, Self

EXACTLY_ONCE = "exactly-once"


class Mode(NamedTuple):
    client: str
    delivery: str

    @classmethod
    def parse(cls, text: str) -> Self:
        client, slash, delivery = text.partition("/")
        if not (client and slash and delivery):
            raise ValueError(f"MODE={text!r}: write client/delivery, {DEFAULT} for instance")
        return cls(client, delivery)

    @property
    def repeats(self) -> bool:
        """Whether an event may come more than once."""
        return self.delivery != EXACTLY_ONCE

    def __str__(self) -> str:
        return f"{self.client}/{self.delivery}"


DEFAULT = Mode("kafka-python", "at-least-once")
