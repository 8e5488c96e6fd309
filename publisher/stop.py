"""The wish to stop, and how a process hears it."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

GRACE = 4.5
"""Seconds after the first signal within which a polite stop has to end."""


class Stop:
    """Set once; every wait of the publisher ends with it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait; True where the stop came."""
        return self._event.wait(seconds)

    def on_signals(self) -> None:
        """Stop politely at the first SIGTERM or SIGINT, and leave at once at the second.

        A polite stop that hangs, for example in a network that swallows packets, is cut short
        after `GRACE` seconds: what is not acknowledged is published again at the next start.
        """
        signal.signal(signal.SIGTERM, self._hear)
        signal.signal(signal.SIGINT, self._hear)

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        if self.is_set:
            os._exit(128 + signum)
        self.set()
        cut = threading.Timer(GRACE, os._exit, args=(1,))
        cut.daemon = True
        cut.start()
