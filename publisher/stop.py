"""The wish to stop, and how a process hears it."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
import weakref
from contextlib import suppress
from types import FrameType

GRACE = 4.5
"""Seconds after the first signal within which a polite stop has to end."""

HURRY = 1.5
"""Seconds after which what still keeps a stop waiting is not waited for any longer."""


class Stop:
    """Set once; every wait of the publisher ends with it.

    Setting it takes no lock, for a signal may come while the very thread that it interrupts holds
    one: it is a flag, and a byte in a pipe that nobody takes out, so that all later waits end too.
    """

    def __init__(self) -> None:
        self._set_at: float | None = None
        self._waiting, self._bell = os.pipe()
        os.set_blocking(self._bell, False)
        weakref.finalize(self, _close, self._waiting, self._bell)

    def set(self) -> None:
        if self._set_at is None:
            self._set_at = time.monotonic()
        with suppress(BlockingIOError):
            os.write(self._bell, b"!")

    @property
    def is_set(self) -> bool:
        return self._set_at is not None

    @property
    def age(self) -> float:
        """Seconds since the stop was set; 0 before."""
        return 0.0 if self._set_at is None else time.monotonic() - self._set_at

    @property
    def hurries(self) -> bool:
        return self.age > HURRY

    def wait(self, seconds: float | None, bell: int | None = None) -> bool:
        """Wait, for as long as it takes where `seconds` is None; True where the stop came.

        The wait ends as well once there is something to read from the file descriptor `bell`.
        """
        if not self.is_set:
            waiting = select.poll()
            waiting.register(self._waiting, select.POLLIN)
            if bell is not None:
                waiting.register(bell, select.POLLIN)
            waiting.poll(None if seconds is None else seconds * 1000)
        return self.is_set

    def on_signals(self) -> None:
        """Stop politely at the first SIGTERM or SIGINT, and leave at once at the second.

        A polite stop that hangs, for example in a network that swallows packets, is cut short
        after `GRACE` seconds: what is not acknowledged is published again at the next start.
        """
        threading.Thread(target=self._cut, name="stop", daemon=True).start()
        signal.signal(signal.SIGTERM, self._hear)
        signal.signal(signal.SIGINT, self._hear)

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        if self.is_set:
            os._exit(128 + signum)
        self.set()

    def _cut(self) -> None:
        self.wait(None)
        time.sleep(GRACE)
        os._exit(1)


def _close(*pipe: int) -> None:
    for end in pipe:
        os.close(end)
