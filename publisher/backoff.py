"""How long to wait before the next try."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Waits that grow from `first` to `last` seconds, with jitter where publishers must not march
    in step."""

    first: float
    last: float
    factor: float = 2.0
    jitter: float = 0.0
    _tries: int = 0

    def next(self) -> float:
        """The seconds to wait now."""
        wait = min(self.last, self.first * self.factor ** min(self._tries, 32))
        self._tries += 1
        return wait * (1.0 - self.jitter * random.random())  # noqa: S311  # not a secret

    def reset(self) -> None:
        """Something was done: start again from the first wait."""
        self._tries = 0
