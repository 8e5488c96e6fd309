"""Where a run of pruning starts, how it goes on, and where it ends."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from publisher.errors import StoreUnavailable
from publisher.guards import Identity
from publisher.leader import Holder
from publisher.ports import Backlog
from publisher.position import Position
from publisher.pruning import (
    ANEW,
    BARREN,
    FEWEST,
    MOST,
    STRETCH,
    Progress,
    Pruned,
    Pruner,
    Range,
    report,
)
from publisher.standing import Standing


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Rows:
    """Retained rows by id: `ripe`, `parked` or `young`; asking costs seconds for each row."""

    rows: dict[int, str]
    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.0
    requests: int = 0
    asked: list[tuple[int, int]] = field(default_factory=list)

    def prune(self, after: int, limit: int) -> Range:
        self.asked.append((after, limit))
        ahead = [row_id for row_id in sorted(self.rows) if row_id > after][:limit]
        kinds = [self.rows[row_id] for row_id in ahead]
        for row_id in ahead:
            if self.rows[row_id] == "ripe":
                del self.rows[row_id]
        self.clock.now += self.seconds * len(ahead)
        removed, parked = kinds.count("ripe"), kinds.count("parked")
        upto = ahead[-1] if ahead else after
        return Range(len(ahead), upto, removed + parked, removed, parked)

    def prune_requests(self, limit: int) -> int:
        removed = min(limit, self.requests)
        self.requests -= removed
        return removed


def pruner(rows: Rows, rest: Callable[[float], bool] = lambda _: False) -> Pruner:
    return Pruner(rest=rest, clock=rows.clock)


def table(*kinds: tuple[str, int], step: int = 1) -> dict[int, str]:
    """So many rows of each kind, one behind the other."""
    each = [kind for kind, count in kinds for _ in range(count)]
    return {number * step: kind for number, kind in enumerate(each, 1)}


def test_it_starts_at_the_lowest_id_and_goes_on_behind_each_range() -> None:
    rows = Rows(table(("ripe", 12_000), step=1_000))
    done = pruner(rows).prune(rows)
    assert (done.rows, done.whole, rows.rows) == (12_000, True, {})
    starts = [after for after, _ in rows.asked]
    assert starts == sorted(set(starts))
    assert len(starts) < 10


def test_it_ends_where_a_thousand_rows_in_a_row_are_too_young() -> None:
    rows = Rows(table(("ripe", 2_500), ("young", 1_000_000)))
    done = pruner(rows).prune(rows)
    assert done.rows == 2_500
    assert done.upto <= 2_500 + MOST + BARREN


def test_stragglers_that_are_young_do_not_stop_it() -> None:
    stragglers = [("young", BARREN - 1), ("ripe", MOST)]
    rows = Rows(table(*stragglers * 20))
    assert pruner(rows).prune(rows).rows == 20 * MOST
    assert set(rows.rows.values()) == {"young"}


def test_what_is_set_aside_does_not_stop_it_however_much_it_is() -> None:
    rows = Rows(table(("parked", 20_000), ("ripe", 10)))
    done = pruner(rows).prune(rows)
    assert (done.rows, done.parked) == (10, 20_000)


def test_another_run_passes_by_what_was_emptied_and_looks_there_again_later() -> None:
    rows = Rows(table(("ripe", 9_000), ("young", 9_000)))
    some = pruner(rows)
    some.prune(rows)
    rows.asked.clear()
    rows.rows[1] = "ripe"
    some.prune(rows)
    assert rows.asked[0][0] >= 7_000
    assert rows.rows[1] == "ripe"
    rows.clock.now += ANEW
    some.prune(rows)
    assert 1 not in rows.rows


def test_where_the_lowest_rows_take_too_long_a_run_passes_them_by_again() -> None:
    class Slow(Rows):
        def prune(self, after: int, limit: int) -> Range:
            if after == 0 and self.asked:
                raise StoreUnavailable("too slow")
            return super().prune(after, limit)

    rows = Slow(table(("ripe", 5_000)))
    some = pruner(rows)
    some.prune(rows)
    rows.rows = {10_000: "ripe"}
    rows.clock.now += ANEW
    with pytest.raises(StoreUnavailable):
        some.prune(rows)
    assert some.prune(rows).rows == 1


def test_rows_that_stay_are_looked_at_by_each_run() -> None:
    rows = Rows(table(("ripe", 1_000), ("parked", 10), ("ripe", 5_000)))
    some = pruner(rows)
    some.prune(rows)
    rows.rows = dict.fromkeys(rows.rows, "ripe")
    assert some.prune(rows).rows == 10


def test_it_rests_as_long_as_it_worked_and_may_be_ended_there() -> None:
    rows = Rows(table(("ripe", 100_000)), seconds=0.0001)
    rests = list[float]()

    def rest(seconds: float) -> bool:
        rests.append(seconds)
        return len(rests) == 3

    done = pruner(rows, rest).prune(rows)
    limits = [limit for _, limit in rows.asked]
    assert rests == pytest.approx([limit * 0.0001 for limit in limits])
    assert (done.rows, done.whole) == (sum(limits), False)


def test_ranges_are_as_large_as_a_statement_of_a_fraction_of_a_second_takes() -> None:
    quick = Rows(table(("ripe", 100_000)), seconds=0.000001)
    pruner(quick).prune(quick)
    assert max(limit for _, limit in quick.asked) == MOST
    slow = Rows(table(("ripe", 10_000)), seconds=STRETCH / 100)
    pruner(slow).prune(slow)
    assert slow.asked[-1][1] == FEWEST


def test_after_a_failure_less_is_asked_for() -> None:
    class Failing(Rows):
        def prune(self, after: int, limit: int) -> Range:
            super().prune(after, limit)
            raise StoreUnavailable("too slow")

    rows = Failing({})
    some = pruner(rows)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            some.prune(rows)
    assert rows.asked[1][1] == rows.asked[0][1] // 2


def test_requests_are_removed_until_none_is_left() -> None:
    rows = Rows({}, requests=2 * MOST + 1)
    assert pruner(rows).prune(rows).requests == 2 * MOST + 1


def test_progress_is_told_once_a_second() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress(lines.append, clock)
    for second in (0.5, 1.0, 1.5, 3.0):
        clock.now = second
        progress(Pruned(rows=int(1_000 * second), upto=int(5_000 * second)))
    assert lines == ["1,000 rows, up to id 5000, 1,000/s", "3,000 rows, up to id 15000, 1,000/s"]


STORED = datetime(2026, 1, 31, tzinfo=UTC)
HOLDER = Holder(7, "relay", None, None, None, waits=False, may_end=True)
LEFT = Standing("reports", 3, Position(), Identity(1, 1), STORED, None, Backlog(2, 60.0))


def test_the_report_names_what_holds_rows_back_and_the_cure() -> None:
    done = Pruned(rows=1_234, requests=1, parked=1, waits_for=frozenset({"reports"}))
    standings = [LEFT, replace(LEFT, name="default", holder=HOLDER)]
    assert list(report(done, standings, dry_run=False)) == [
        "removed 1,234 rows and 1 done request",
        "position 'reports' holds rows back: 2 rows wait, the oldest for 60.0 s; no publisher "
        "runs; stored 2026-01-31T00:00:00+00:00. If it is not run any more: outbox-publisher "
        "position remove reports",
        "1 row set aside stay: outbox-publisher parked list",
    ]


def test_the_report_of_a_dry_run_and_of_a_database_without_positions() -> None:
    assert list(report(Pruned(), [], dry_run=True)) == [
        "would remove 0 rows and 0 done requests",
        "no publisher has run on this database yet: every row stays",
    ]


def test_a_running_publisher_is_no_candidate_for_removal() -> None:
    done = Pruned(waits_for=frozenset({"reports"}))
    (_, line) = report(done, [replace(LEFT, holder=HOLDER)], dry_run=False)
    assert line.startswith("position 'reports' holds rows back: ")
    assert "position remove" not in line


@pytest.mark.parametrize(
    ("holder", "rows", "age", "left"),
    [
        (None, 0, 8, True),
        (None, 0, 6, False),
        (HOLDER, 0, 8, False),
        (HOLDER, 1, 8, True),
    ],
)
def test_a_position_that_is_left_behind(
    holder: Holder | None, rows: int, age: int, left: bool
) -> None:
    standing = replace(LEFT, holder=holder, backlog=Backlog(rows, 1.0))
    horizon = STORED + timedelta(days=age) - timedelta(days=7)
    assert standing.is_left_behind(horizon) == left
