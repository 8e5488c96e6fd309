"""One run: the faults of a plan, one after the other, then the verdict."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from tests.acceptance.stress.ledger import committed_units
from tests.acceptance.stress.verdict import Delivered, Verdict
from tests.chaos.faults import BREAKS
from tests.chaos.plan import Fault, Kind
from tests.chaos.site import Setting, Site, site
from tests.chaos.topic import Topic

PATIENCE = 90.0
LONGEST = 600.0
SOON = 5.0
FILLED = 5.0
"""Seconds after which what may be on its way to Kafka, two pages, is on it, and nothing more."""

WATCHED = {Kind.PUBLISHER_FROZEN, Kind.BROKER_FROZEN_LONG}
"""The tables can be asked while these last."""


class NothingArrives(Exception):
    """The run cannot begin."""


@dataclass(frozen=True)
class Outcome:
    """`began` is in seconds since the epoch; `recovery` is the time in seconds from the end of the
    fault until an event is in Kafka that was not on its way by then; None where none came in time.

    `set_aside` are the reasons of what was set aside meanwhile, where that was watched, and
    `taken_over` whether another publisher became active.
    """

    fault: Fault
    began: float
    lasted: float
    recovery: float | None
    taken_over: bool = False
    set_aside: Sequence[str] = ()


@dataclass(frozen=True)
class Result:
    """`forgotten` are transactions that PostgreSQL confirmed and does not know any more, `arrived`
    the events that Kafka took between the beginnings of the first and the last fault."""

    outcomes: Sequence[Outcome]
    verdicts: Sequence[Verdict]
    arrived: int
    forgotten: int
    ended: Sequence[int]
    stop_codes: Sequence[int | None]
    seconds: float

    def counted(self, what: Callable[[Verdict], int]) -> int:
        return sum(map(what, self.verdicts))

    @property
    def events(self) -> int:
        return self.counted(lambda verdict: verdict.committed)

    @property
    def lost(self) -> int:
        return self.forgotten + self.counted(lambda verdict: len(verdict.lost))

    @property
    def phantom(self) -> int:
        return self.counted(lambda verdict: len(verdict.phantom))

    @property
    def inverted(self) -> int:
        return self.counted(lambda verdict: len(verdict.inverted))

    @property
    def duplicates(self) -> int:
        return self.counted(lambda verdict: verdict.repeated)

    @property
    def stuck(self) -> list[Fault]:
        return [each.fault for each in self.outcomes if each.recovery is None]


@dataclass(frozen=True)
class Goal:
    """Enough for a run: this many events within so many seconds, and of them, for each fault
    behind the first, so many while faults come.

    Where nothing arrives for `quiet` seconds at the end, the rest is lost.
    """

    events: int
    seconds: float
    for_each: int
    quiet: float


def run(
    setting: Setting,
    faults: Sequence[Fault],
    goal: Goal,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Result:
    """Raises what the harness itself cannot do; what the publisher does wrong is in the result."""
    started = time.monotonic()
    with site(setting) as here:
        if not here.until(lambda: here.main.reader.records or here.publishers.ended, PATIENCE):
            raise NothingArrives(f"nothing arrived within {PATIENCE:g} s of the start")
        if here.publishers.ended:
            raise NothingArrives(f"the publisher ended:\n{here.publishers.all[0].process.tail()}")
        outcomes = []
        for fault in faults:
            outcome = strike(here, fault)
            outcomes.append(outcome)
            tell(outcome)
            if outcome.recovery is None or time.monotonic() - started > goal.seconds:
                break
        else:
            write_enough(here, goal, started)
        return judged(here, outcomes, started, goal.quiet)


def strike(here: Site, fault: Fault) -> Outcome:
    here.idle(fault.pause)
    before, began = here.standing, time.time()
    with BREAKS[fault.kind](here, fault):
        here.idle(fault.hold)
        if fault.kills:
            kill_the_active(here)
        during = here.standing if fault.kind in WATCHED else before
    ended = time.time()
    recovery = recovered(here, fault, began, ended)
    after = here.standing if fault.kind in WATCHED else before
    aside = during.set_aside | after.set_aside
    return Outcome(
        fault,
        began,
        ended - began,
        recovery,
        taken_over=during.epoch > before.epoch,
        set_aside=[aside[number] for number in aside.keys() - before.set_aside],
    )


def kill_the_active(here: Site) -> None:
    publisher = here.publishers.active
    publisher.kill()
    publisher.start()


def recovered(here: Site, fault: Fault, began: float, ended: float) -> float | None:
    topic = here.side if fault.kind is Kind.TOPIC_RECREATED else here.main
    arrivals, since = topic.reader.arrivals, certainly_unsent(fault, began, ended)
    here.until(lambda: arrivals.first_since(since), PATIENCE)
    arrived = arrivals.first_since(since)
    return None if arrived is None else arrived - ended


def certainly_unsent(fault: Fault, began: float, ended: float) -> float:
    """What is recorded from this moment on arrives only if the publisher goes on.

    Behind a long freeze, what is recorded since comes when thousands of others have: there, what
    was recorded as soon as nothing could be sent any more tells the same, and earlier.
    """
    return began + FILLED if fault.kind is Kind.BROKER_FROZEN_LONG else ended


def write_enough(here: Site, goal: Goal, started: float) -> None:
    def enough() -> bool:
        late = time.monotonic() - started > goal.seconds
        return late or here.main.reader.records + here.side.reader.records >= goal.events

    here.until(enough, goal.seconds)


def judged(here: Site, outcomes: Sequence[Outcome], started: float, quiet: float) -> Result:
    """Stop the writers, let everything arrive, and compare."""
    topics = (here.main, here.side)
    for topic in topics:
        topic.stop_writers()
    wait_for_the_rest(here, topics, quiet)
    seconds = time.monotonic() - started
    here.until(lambda: all(each.answers for each in here.publishers.all), PATIENCE)
    codes = here.publishers.stop()
    confirmed = here.main.confirmed | here.side.confirmed
    delivered = [topic.delivered() for topic in topics]
    return Result(
        outcomes=outcomes,
        verdicts=[
            Verdict.on(here.committed(topic), records)
            for topic, records in zip(topics, delivered, strict=True)
        ],
        arrived=arrived_among(outcomes, chain(*delivered)),
        forgotten=len(confirmed - committed_units(here.url)),
        ended=here.publishers.ended,
        stop_codes=codes,
        seconds=seconds,
    )


def arrived_among(outcomes: Sequence[Outcome], delivered: Iterable[Delivered]) -> int:
    """The events, without repeats, that came between the beginnings of the first and the last."""
    began = [outcome.began for outcome in outcomes]
    first, last = min(began), max(began)
    return len({each.event for each in delivered if first <= each.appended / 1000 < last})


def wait_for_the_rest(here: Site, topics: Sequence[Topic], quiet: float) -> None:
    """Until all has arrived, or nothing has for a while."""
    wanted = [here.committed(topic) for topic in topics]
    readers = [topic.reader for topic in topics]
    seen, since = -1, time.monotonic()

    def ended() -> bool:
        nonlocal seen, since
        records = sum(reader.records for reader in readers)
        if records != seen:
            seen, since = records, time.monotonic()
        there = all(these <= reader.changes for these, reader in zip(wanted, readers, strict=True))
        return there or time.monotonic() - since > quiet

    here.until(ended, LONGEST)
