"""Retention: the active publisher removes what is published and old enough, by and by."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import structlog

from publisher.errors import PublisherError
from publisher.health import Health
from publisher.pruning import Pruned, Pruner, Retained
from publisher.stop import Stop

log = structlog.get_logger("publisher.retention")

FIRST_RUN, RETRY, LOOK = 60.0, 60.0, 5.0
"""Seconds until the first run, until the next one after a failure, and between two looks whether
this publisher has become the active one."""

Open = Callable[[Callable[[], bool]], AbstractContextManager[Retained]]
"""Opens the retained rows; what it is given tells when they are not wanted any more."""


class Retention:
    """Prunes every so many seconds, in a thread, while this publisher is the active one.

    Whatever keeps it from that is logged once and tried again: publishing goes on.
    """

    def __init__(self, open_retained: Open, *, health: Health, stop: Stop, every: float) -> None:
        self._open, self._health, self._stop, self._every = open_retained, health, stop, every
        self._pruner = Pruner(rest=self._rest, tell=self._count)
        self._counted = 0
        self._held = frozenset[str]()
        self._waits_for: str | None = None
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        self._health.pruned_all()
        self._thread.start()

    def end(self) -> None:
        """Return when nothing is removed any more; within a second if a connection hangs."""
        self._stop.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        pause = min(FIRST_RUN, self._every)
        while not self._stop.wait(pause):
            pause = self._turn()

    def _turn(self) -> float:
        """Prune if it is this publisher's turn; return the seconds until the next one."""
        if not self._health.active:
            self._health.pruned_all()
            return min(LOOK, self._every)
        try:
            whole = self._prune()
        except PublisherError as exc:
            if not self._unwanted():
                self._report(str(exc))
            return min(RETRY, self._every)
        return self._every if whole else min(LOOK, self._every)

    def _prune(self) -> bool:
        self._counted = 0
        with self._open(self._unwanted) as retained:
            done = self._pruner.prune(retained)
        self._waits_for = None
        if done.whole:
            self._health.pruned_all()
        if done.rows or done.requests or done.waits_for != self._held:
            self._held = done.waits_for
            held = sorted(self._held)
            log.info("pruned", rows=done.rows, requests=done.requests, held_back_by=held)
        return done.whole

    def _unwanted(self) -> bool:
        return self._stop.is_set or not self._health.active

    def _rest(self, seconds: float) -> bool:
        return self._stop.wait(seconds) or self._unwanted()

    def _count(self, done: Pruned) -> None:
        self._health.pruned += done.rows - self._counted
        self._counted = done.rows

    def _report(self, reason: str) -> None:
        if reason != self._waits_for:
            self._waits_for = reason
            log.warning("not pruning", reason=reason)
