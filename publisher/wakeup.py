"""The sleep of a relay that has nothing to do, out of which a writer wakes it."""

from __future__ import annotations

from publisher.backoff import Backoff
from publisher.ports import Store
from publisher.stop import Stop


class Sleeper:
    """Polls, more and more slowly, until it is tired; then it sleeps until a writer rings.

    A read always stands between falling asleep and waiting: what was committed by a writer that
    did not ring shows in it. Where the store refuses the sleep, polling goes on.
    """

    def __init__(self, store: Store, *, rest: Backoff, nap: float) -> None:
        self._store, self._rest, self._nap = store, rest, nap
        self._tired = self._dozes = False
        self._bell: int | None = None

    def before_read(self) -> None:
        """Fall asleep, or make sure that writers still ring; to be followed by a read."""
        self._dozes = False
        if self._tired:
            self._dozes = self._store.doze()

    def stir(self) -> None:
        """There is something to do: writers need not ring."""
        if self._dozes:
            self._store.rouse()
        self._tired = self._dozes = False

    def rest(self) -> float:
        """Seconds to wait after a read that found nothing."""
        if self._dozes:
            return self._sleep()
        pause = self._rest.next()
        self._tired = pause >= self._rest.last
        return pause

    def _sleep(self) -> float:
        if self._store.rung():
            return 0.0
        self._bell = self._store.bell
        return self._nap

    def wait(self, stop: Stop, seconds: float) -> None:
        """Wait for the stop, and in a sleep for the bell too."""
        bell, self._bell = self._bell, None
        stop.wait(seconds, bell)
