"""What a run says at its end."""

from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from tests.chaos.mode import EXACTLY_ONCE, written
from tests.chaos.plan import Kind
from tests.chaos.run import SOON, Goal, Outcome, Result
from tests.chaos.site import Setting

WRONG = {
    "lost": "lost",
    "phantom": "phantom",
    "inverted": "inverted",
    "doubled": "under more than one id",
    "altered": "came again with another sequence, change or key",
    "misplaced": "with a key that is not their row, or that has two partitions",
}
OF_THEMSELVES: frozenset[int] = frozenset()
"""The codes with which a publisher may end by itself: none, for it waits for what is away."""

TAKE_OVER = 6.0
"""Seconds: a publisher that is frozen for longer has been succeeded, where another stands by."""


def table(result: Result) -> Iterator[str]:
    """Each kind of fault: how often, and how long until the next record arrived."""
    times: dict[Kind, list[float | None]] = defaultdict(list)
    for outcome in result.outcomes:
        times[outcome.fault.kind].append(outcome.recovery)
    yield f"{'fault':24}{'times':>6}{'median s':>10}{'worst s':>10}"
    for kind in (kind for kind in Kind if kind in times):
        recovered = [each for each in times[kind] if each is not None]
        shown = (f"{median(recovered):.2f}", f"{max(recovered):.2f}") if recovered else ("-", "-")
        never = "" if len(recovered) == len(times[kind]) else "  not every time"
        yield f"{kind:24}{len(times[kind]):>6}{shown[0]:>10}{shown[1]:>10}{never}"


def last_line(result: Result, setting: Setting) -> str:
    return (
        f"chaos: mode={written(setting.mode)} faults={len(result.outcomes)} events={result.events} "
        f"lost={result.lost} phantom={result.phantom} inverted={result.inverted} "
        f"duplicates={result.duplicates} seed={setting.seed}"
    )


def failures(result: Result, setting: Setting, goal: Goal, faults: int) -> Iterator[str]:
    """Why the run does not pass; nothing where it does."""
    yield from _wrong(result)
    yield from _unfinished(result, goal, faults)
    yield from _idle(result, goal)
    yield from map(_late, filter(_is_late, result.outcomes))
    if result.duplicates and setting.mode.delivery == EXACTLY_ONCE:
        yield f"{result.duplicates} came more than once, in {written(setting.mode)}"
    yield from _never_taken_over(result, setting)
    yield from (f"{each.fault.kind}: set aside {each.set_aside}" for each in _set_aside(result))
    if not OF_THEMSELVES.issuperset(result.ended):
        yield f"publishers ended by themselves, with {result.ended}"
    if any(result.stop_codes):
        yield f"publishers ended with {result.stop_codes} when they were told to stop"


def _wrong(result: Result) -> Iterator[str]:
    for verdict in result.verdicts:
        for name, what in WRONG.items():
            changes = sorted(getattr(verdict, name))
            if changes:
                yield f"{len(changes)} {what}; the first are {changes[:3]}"
    if result.forgotten:
        yield f"PostgreSQL confirmed {result.forgotten} transactions that it does not know any more"


def _unfinished(result: Result, goal: Goal, faults: int) -> Iterator[str]:
    if result.stuck:
        yield f"nothing arrived any more after {result.stuck[0]}"
    elif len(result.outcomes) < faults:
        yield f"{len(result.outcomes)} of {faults} faults within {goal.seconds:g} s"
    if result.events < goal.events:
        yield f"{result.events} events are fewer than {goal.events}"


def _idle(result: Result, goal: Goal) -> Iterator[str]:
    """A relay that does nothing but recover delivers one event for a fault."""
    wanted = goal.for_each * (len(result.outcomes) - 1)
    if result.arrived < wanted:
        yield f"{result.arrived} events arrived while faults came, fewer than {wanted}"


def _never_taken_over(result: Result, setting: Setting) -> Iterator[str]:
    frozen = [
        outcome.taken_over
        for outcome in result.outcomes
        if outcome.fault.kind is Kind.PUBLISHER_FROZEN and outcome.lasted > TAKE_OVER
    ]
    if setting.publishers > 1 and frozen and not any(frozen):
        yield f"nobody took over from a publisher that was frozen for more than {TAKE_OVER:g} s"


def _set_aside(result: Result) -> list[Outcome]:
    """What an outage of Kafka must not do, however long it is."""
    return [
        outcome
        for outcome in result.outcomes
        if outcome.fault.kind is Kind.BROKER_FROZEN_LONG and outcome.set_aside
    ]


def _is_late(outcome: Outcome) -> bool:
    long = outcome.fault.kind is Kind.BROKER_FROZEN_LONG
    return long and outcome.recovery is not None and outcome.recovery > SOON


def _late(outcome: Outcome) -> str:
    return f"{outcome.fault.kind}: {outcome.recovery:.1f} s to the next record, more than {SOON:g}"
