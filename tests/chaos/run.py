"""One run: the faults of a plan, one after the other, then the verdict."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.acceptance.stress.ledger import committed_units
from tests.acceptance.stress.verdict import Verdict
from tests.chaos.faults import BREAKS
from tests.chaos.plan import Fault, Kind
from tests.chaos.site import Setting, Site, site
from tests.chaos.topic import Topic

PATIENCE = 90.0
QUIET = 15.0
LONGEST = 600.0
SOON = 5.0


class NothingArrives(Exception):
    """The run cannot begin."""


@dataclass(frozen=True)
class Outcome:
    """`recovery` is the time in seconds from the end of the fault to the next record in Kafka;
    None where none came in time."""

    fault: Fault
    lasted: float
    recovery: float | None


@dataclass(frozen=True)
class Result:
    """`forgotten` are transactions that PostgreSQL confirmed and does not know any more."""

    outcomes: Sequence[Outcome]
    verdicts: Sequence[Verdict]
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
    """Enough for a run: this many events within so many seconds."""

    events: int
    seconds: float


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
        return judged(here, outcomes, started)


def strike(here: Site, fault: Fault) -> Outcome:
    topic = here.side if fault.kind is Kind.TOPIC_RECREATED else here.main
    here.idle(fault.pause)
    began = time.time()
    with BREAKS[fault.kind](here, fault):
        here.idle(fault.hold)
        if fault.kills:
            publisher = here.publishers.active
            publisher.kill()
            publisher.start()
    ended = time.time()
    came = here.until(lambda: topic.reader.first_since(ended), PATIENCE)
    arrived = topic.reader.first_since(ended)
    return Outcome(fault, ended - began, arrived - ended if came and arrived else None)


def write_enough(here: Site, goal: Goal, started: float) -> None:
    def enough() -> bool:
        late = time.monotonic() - started > goal.seconds
        return late or here.main.reader.records + here.side.reader.records >= goal.events

    here.until(enough, goal.seconds)


def judged(here: Site, outcomes: Sequence[Outcome], started: float) -> Result:
    """Stop the writers, let everything arrive, and compare."""
    topics = (here.main, here.side)
    for topic in topics:
        topic.stop_writers()
    for topic in topics:
        wait_for_the_rest(here, topic)
    seconds = time.monotonic() - started
    codes = here.publishers.stop()
    confirmed = here.main.confirmed | here.side.confirmed
    return Result(
        outcomes=outcomes,
        verdicts=[Verdict.on(here.committed(topic), topic.delivered()) for topic in topics],
        forgotten=len(confirmed - committed_units(here.url)),
        ended=here.publishers.ended,
        stop_codes=codes,
        seconds=seconds,
    )


def wait_for_the_rest(here: Site, topic: Topic) -> None:
    """Until all has arrived, or nothing has for a while."""
    wanted = here.committed(topic)
    seen, since = topic.reader.records, time.monotonic()

    def ended() -> bool:
        nonlocal seen, since
        if topic.reader.records != seen:
            seen, since = topic.reader.records, time.monotonic()
        return wanted <= topic.reader.changes or time.monotonic() - since > QUIET

    here.until(ended, LONGEST)
