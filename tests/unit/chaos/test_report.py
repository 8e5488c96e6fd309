"""A run passes or fails for what its report says."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from benchmarks.modes import Mode
from tests.acceptance.stress.ledger import Change
from tests.acceptance.stress.verdict import Delivered, Verdict
from tests.chaos.plan import Fault, Kind
from tests.chaos.report import failures, last_line, table
from tests.chaos.run import Goal, Outcome, Result, arrived_among, certainly_unsent
from tests.chaos.site import Setting

GOAL = Goal(events=10, seconds=60, for_each=5, quiet=1)
CHANGE = Change(1, 1, UUID(int=1))
CLEAN = Verdict(
    committed=10,
    lost=set(),
    phantom=set(),
    inverted=set(),
    doubled=set(),
    altered=set(),
    misplaced=set(),
    repeated=0,
)
REPEATED = replace(CLEAN, repeated=2)
AT_LEAST_ONCE, EXACTLY_ONCE = Mode("a-client", "at-least-once"), Mode("a-client", "exactly-once")


def setting(mode: Mode, publishers: int = 1) -> Setting:
    return Setting(mode=mode, seed=7, folder=Path("logs"), publishers=publishers)


def outcome(kind: Kind = Kind.DISK_FULL, recovery: float | None = 1.0, **more: Any) -> Outcome:
    return replace(Outcome(Fault(kind, 0, 0, 0), 100.0, 1.0, recovery), **more)


def result(verdict: Verdict = CLEAN, *outcomes: Outcome, **more: Any) -> Result:
    whole = Result(outcomes or [outcome()], [verdict], 5, 0, [], [0], 30)
    return replace(whole, **more)


def said(what: Result, mode: Mode = AT_LEAST_ONCE, faults: int = 1, publishers: int = 1) -> str:
    return "\n".join(failures(what, setting(mode, publishers), GOAL, faults))


def test_a_run_without_fault_says_nothing_but_its_figures() -> None:
    assert said(result()) == ""
    assert last_line(result(), setting(EXACTLY_ONCE)) == (
        "chaos: mode=a-client/exactly-once faults=1 events=10 "
        "lost=0 phantom=0 inverted=0 duplicates=0 seed=7"
    )


@pytest.mark.parametrize("what", ["lost", "phantom", "inverted"])
def test_one_that_is_lost_invented_or_inverted_fails_the_run(what: str) -> None:
    found: dict[str, Any] = {what: {CHANGE}}
    wrong = result(replace(CLEAN, **found))
    assert said(wrong).startswith(f"1 {what}; the first are [Change(row=1, n=1")
    assert f"{what}=1 " in last_line(wrong, setting(AT_LEAST_ONCE))


@pytest.mark.parametrize(
    ("what", "words"),
    [("doubled", "more than one id"), ("altered", "came again with"), ("misplaced", "a key that")],
)
def test_what_no_publisher_may_do_to_an_event_fails_the_run(what: str, words: str) -> None:
    found: dict[str, Any] = {what: {CHANGE}}
    assert words in said(result(replace(CLEAN, **found)))


def test_what_postgres_confirmed_and_forgot_is_lost() -> None:
    forgetful = result(forgotten=3)
    assert "confirmed 3 transactions" in said(forgetful)
    assert forgetful.lost == 3


def test_a_repeat_fails_exactly_once_delivery_only() -> None:
    assert said(result(REPEATED)) == ""
    assert "2 came more than once" in said(result(REPEATED), EXACTLY_ONCE)


def test_an_idle_or_unfinished_run_fails() -> None:
    assert "9 events are fewer than 10" in said(result(replace(CLEAN, committed=9)))
    assert "1 of 2 faults" in said(result(), faults=2)
    assert "nothing arrived any more after" in said(result(CLEAN, outcome(recovery=None)))


def test_a_relay_that_delivers_little_more_than_one_event_for_a_fault_fails() -> None:
    faults = [outcome(), outcome(), outcome()]
    assert said(result(CLEAN, *faults, arrived=10)) == ""
    assert "9 events arrived while faults came, fewer than 10" in said(
        result(CLEAN, *faults, arrived=9)
    )


def test_what_arrives_counts_from_the_first_fault_to_the_last_and_no_repeat() -> None:
    times = [99_999, 100_000, 105_000, 105_000, 109_999, 110_000]
    ids = [b"before", b"first", b"again", b"again", b"last", b"behind"]
    change = Change(1, 1, UUID(int=1))
    records = [
        Delivered(event, 1, change, b"1", 0, 0.0, time)
        for event, time in zip(ids, times, strict=True)
    ]
    faults = [outcome(began=100.0), outcome(began=104.0), outcome(began=110.0)]
    assert arrived_among(faults, records) == 3


@pytest.mark.parametrize("codes", [[1], [0], [-9]])
def test_a_publisher_that_ends_by_itself_fails_the_run_though_it_is_started_again(
    codes: list[int],
) -> None:
    assert f"ended by themselves, with {codes}" in said(result(ended=codes))


def test_what_is_set_aside_while_kafka_stands_still_fails_the_run() -> None:
    aside = outcome(Kind.BROKER_FROZEN_LONG, set_aside=["topic 't' does not exist"])
    assert "set aside [\"topic 't' does not exist\"]" in said(result(CLEAN, aside))
    held = outcome(Kind.PUBLISHER_FROZEN, set_aside=["topic 't' does not exist"])
    assert said(result(CLEAN, held)) == ""


def test_a_publisher_frozen_for_long_has_to_be_succeeded_where_another_stands_by() -> None:
    frozen = outcome(Kind.PUBLISHER_FROZEN, lasted=7.0)
    assert said(result(CLEAN, frozen)) == ""
    assert "nobody took over" in said(result(CLEAN, frozen), publishers=2)
    assert said(result(CLEAN, replace(frozen, taken_over=True)), publishers=2) == ""
    assert said(result(CLEAN, replace(frozen, lasted=3.0)), publishers=2) == ""


def test_a_recovery_is_of_what_was_certainly_not_on_its_way_when_the_fault_ended() -> None:
    short, long = outcome(Kind.BROKER_FROZEN).fault, outcome(Kind.BROKER_FROZEN_LONG).fault
    assert certainly_unsent(short, began=100.0, ended=130.0) == 130.0
    assert certainly_unsent(long, began=100.0, ended=230.0) == 105.0


def test_kafka_that_stood_still_for_long_is_used_within_five_seconds() -> None:
    assert said(result(CLEAN, outcome(Kind.BROKER_FROZEN_LONG, 4.9))) == ""
    assert "more than 5" in said(result(CLEAN, outcome(Kind.BROKER_FROZEN_LONG, 5.1)))


def test_the_table_has_the_median_and_the_worst_recovery_of_each_kind() -> None:
    times = [outcome(recovery=seconds) for seconds in (1.0, 9.0, 2.0)]
    _, killed, disk = table(result(CLEAN, outcome(Kind.PUBLISHER_KILLED, None), *times))
    assert disk.split() == ["disk-full", "3", "2.00", "9.00"]
    assert killed.split() == ["publisher-killed", "1", "-", "-", "not", "every", "time"]
