"""Whose turn it is to prune, and what a failure of it comes to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import pytest
from structlog.testing import capture_logs

from publisher.errors import StoreUnavailable
from publisher.health import Health
from publisher.pruning import Range, Retained
from publisher.retention import Retention
from publisher.stop import Stop
from tests.waiting import eventually


class Rows:
    """Retained rows that tell what was asked, and wait in the middle of it where they should."""

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.removed = 3
        self.failure: str | None = None
        self.hangs = Event()
        self.began = Event()
        self.gave_up = Event()

    @contextmanager
    def open(self, unwanted: Callable[[], bool]) -> Iterator[Retained]:
        self.opened += 1
        if self.failure:
            raise StoreUnavailable(self.failure)
        self._unwanted = unwanted
        yield self
        self.closed += 1

    def prune(self, after: int, limit: int) -> Range:
        self.began.set()
        while self.hangs.is_set():
            if self._unwanted():
                self.gave_up.set()
                raise StoreUnavailable("pruning was ended")
        return Range(self.removed, after + self.removed, self.removed, self.removed, 0)

    def prune_requests(self, limit: int) -> int:
        return 0


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def health() -> Health:
    health = Health()
    health.active = True
    return health


@pytest.fixture
def stop() -> Stop:
    return Stop()


@contextmanager
def running(rows: Rows, health: Health, stop: Stop, every: float = 0.01) -> Iterator[Retention]:
    some = Retention(rows.open, health=health, stop=stop, every=every)
    some.start()
    try:
        yield some
    finally:
        some.end()
        some._thread.join(5)
        assert not some._thread.is_alive()


def test_the_active_publisher_prunes_again_and_again_and_counts(
    rows: Rows, health: Health, stop: Stop
) -> None:
    with running(rows, health, stop):
        eventually(lambda: rows.closed >= 3)
    assert health.pruned == 3 * rows.closed


def test_one_that_stands_by_prunes_nothing_until_it_is_active(
    rows: Rows, health: Health, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Event()
    monkeypatch.setattr(health, "pruned_all", looks.set)
    health.active = False
    with running(rows, health, stop):
        looks.clear()
        assert looks.wait(10)
        assert rows.opened == 0
        health.active = True
        eventually(lambda: rows.closed)


def test_one_that_is_not_active_any_more_ends_in_the_middle(
    rows: Rows, health: Health, stop: Stop
) -> None:
    rows.hangs.set()
    with running(rows, health, stop), capture_logs() as logs:
        assert rows.began.wait(10)
        health.active = False
        assert rows.gave_up.wait(10)
    assert logs == []


def test_a_stop_ends_a_long_wait(rows: Rows, health: Health, stop: Stop) -> None:
    with running(rows, health, stop, every=3_600):
        stop.set()
    assert rows.opened == 0


def test_a_stop_ends_it_in_the_middle_of_a_range(rows: Rows, health: Health, stop: Stop) -> None:
    rows.hangs.set()
    with running(rows, health, stop), capture_logs() as logs:
        assert rows.began.wait(10)
        stop.set()
    assert logs == []


def test_an_outage_is_logged_once_and_tried_again(rows: Rows, health: Health, stop: Stop) -> None:
    rows.failure = "away"
    with capture_logs() as logs, running(rows, health, stop):
        eventually(lambda: rows.opened >= 5)
        rows.failure = None
        eventually(lambda: rows.closed)
        rows.failure = "away"
        tries = rows.opened
        eventually(lambda: rows.opened >= tries + 3)
    assert [line["reason"] for line in logs if line["event"] == "not pruning"] == ["away"] * 2


def test_a_run_is_logged_where_it_removed_something(rows: Rows, health: Health, stop: Stop) -> None:
    rows.removed = 0
    with capture_logs() as logs, running(rows, health, stop):
        eventually(lambda: rows.closed >= 3)
    assert logs == []


def test_the_age_of_the_last_run_is_unknown_where_this_process_does_not_prune() -> None:
    now = [100.0]
    health = Health(clock=lambda: now[0])
    health.active = True
    assert health.prune_age is None
    health.pruned_all()
    now[0] += 7
    assert health.prune_age == 7
    health.active = False
    assert health.prune_age is None
