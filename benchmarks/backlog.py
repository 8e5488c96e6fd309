"""A backlog of millions: when its first record leaves, in how much memory, and how fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks.database import outbox_database, record
from benchmarks.drain import Drain, Run
from benchmarks.figures import Figure, Goal, Repeat, median_ratio
from benchmarks.modes import Mode, foremost, titled
from benchmarks.stage import Say, Stage, stage

HUGE, USUAL = 5_000_000, 500_000
REPEATS = 2


def measure(modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Drain the huge backlog between drains of a usual one."""
    mode = foremost(modes)
    with stage("backlog", say) as servers, ExitStack() as databases:
        usual, huge = (_drain(databases, servers, events) for events in (USUAL, HUGE))
        say(f"{HUGE:,} and {USUAL:,} events are recorded")
        usuals, huges = [usual.ours(mode)], list[Run]()
        for _ in range(REPEATS):
            huges.append(huge.ours(mode))
            usuals.append(usual.ours(mode))
            say(f"{HUGE:,} {huges[-1].rate:,.0f}/s, {USUAL:,} {usuals[-1].rate:,.0f}/s")
    return list(figures(titled("backlog.5m", mode), usuals, huges))


def figures(title: str, usuals: Sequence[Run], huges: Sequence[Run]) -> Iterator[Figure]:
    """The slowest start, the highest peak, and the speed over that of the usual backlog."""
    around = zip(usuals, huges, usuals[1:], strict=False)
    repeats = [Repeat(before.rate, run.rate, after.rate) for before, run, after in around]
    first = max(run.first_record_s for run in huges)
    yield Figure(f"{title}.first_record_s", first, Goal("<=", 3))
    yield Figure(f"{title}.rss_mb", max(run.megabytes for run in huges), Goal("<=", 150))
    yield Figure(f"{title}.rate_vs_500k", median_ratio(repeats), Goal(">=", 0.95))
    yield Figure(f"{title}.events_per_s", median(run.rate for run in huges))


def _drain(databases: ExitStack, servers: Stage, events: int) -> Drain:
    url = databases.enter_context(outbox_database(servers.server))
    record(url, servers.log.topic, events)
    return Drain(url, servers.log, events)
