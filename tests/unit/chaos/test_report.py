"""A run passes or fails for what its report says."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from benchmarks.modes import Mode
from tests.acceptance.stress.ledger import Change
from tests.acceptance.stress.verdict import Verdict
from tests.chaos.plan import Fault, Kind
from tests.chaos.report import failures, last_line, table
from tests.chaos.run import Goal, Outcome, Result
from tests.chaos.site import Setting

GOAL = Goal(events=10, seconds=60)
CHANGE = Change(1, 1, UUID(int=1))
CLEAN = Verdict(committed=10, lost=set(), phantom=set(), inverted=set(), repeated=0)
REPEATED = replace(CLEAN, repeated=2)
AT_LEAST_ONCE, EXACTLY_ONCE = Mode("a-client", "at-least-once"), Mode("a-client", "exactly-once")


def setting(mode: Mode) -> Setting:
    return Setting(mode=mode, seed=7, folder=Path("logs"))


def outcome(kind: Kind = Kind.DISK_FULL, recovery: float | None = 1.0) -> Outcome:
    return Outcome(Fault(kind, 0, 0, 0), 1.0, recovery)


def result(verdict: Verdict = CLEAN, *outcomes: Outcome, forgotten: int = 0) -> Result:
    return Result(outcomes or [outcome()], [verdict], forgotten, [], [0], 30)


def said(what: Result, mode: Mode = AT_LEAST_ONCE, faults: int = 1) -> str:
    return "\n".join(failures(what, setting(mode), GOAL, faults))


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


def test_kafka_that_stood_still_for_long_is_used_within_five_seconds() -> None:
    assert said(result(CLEAN, outcome(Kind.BROKER_FROZEN_LONG, 4.9))) == ""
    assert "more than 5" in said(result(CLEAN, outcome(Kind.BROKER_FROZEN_LONG, 5.1)))


def test_the_table_has_the_median_and_the_worst_recovery_of_each_kind() -> None:
    times = [outcome(recovery=seconds) for seconds in (1.0, 9.0, 2.0)]
    _, killed, disk = table(result(CLEAN, outcome(Kind.PUBLISHER_KILLED, None), *times))
    assert disk.split() == ["disk-full", "3", "2.00", "9.00"]
    assert killed.split() == ["publisher-killed", "1", "-", "-", "not", "every", "time"]
