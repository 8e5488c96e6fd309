"""What `outbox-publisher check` looks at: everything that would bite later, in one list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from publisher import guards
from publisher.ports import Backlog, Topic, TopicSettings
from publisher.standing import Standing, counted, waiting

Level = Literal["error", "difference", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something an operator should know; an error stops events, a difference misplaces them."""

    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level}: {self.text}"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the database says of itself, asked for the publisher of a name."""

    name: str
    identity: guards.Identity
    standings: Sequence[Standing]
    backlog: Backlog
    waiting_topics: Sequence[str]
    topics: Sequence[Topic]
    unsafe_commits: Sequence[str]
    id_cache: int | None
    wakes: bool
    missing_for_retention: str = ""
    mirrored: bool = False
    restored: int = 0
    missing_to_redate: str = ""

    @property
    def all_topics(self) -> list[str]:
        """The topics that Kafka should have."""
        return sorted({*(topic.name for topic in self.topics), *self.waiting_topics})


def database_findings(inspection: Inspection, margin: timedelta | None = None) -> Iterator[Finding]:
    """Compare the database with what the guarantees need.

    With a margin, `run` publishes that much again on another timeline; else it stops there.
    """
    yield from _position_findings(inspection, margin)
    yield from _restored_findings(inspection)
    if inspection.unsafe_commits:
        yield Finding(
            "warning",
            f"synchronous_commit is off for {', '.join(inspection.unsafe_commits)}: an event may "
            "be published whose transaction a crash of PostgreSQL then forgets; switch it on for "
            "the roles that write",
        )
    if inspection.id_cache is None:
        yield Finding("error", "outbox_event.id has no sequence: run `manage.py migrate outbox`")
    elif inspection.id_cache > 1:
        yield Finding(
            "error",
            f"the sequence of outbox_event.id caches {inspection.id_cache} values, which inverts "
            "the order of events: ALTER TABLE outbox_event ALTER COLUMN id SET CACHE 1",
        )
    if not inspection.wakes:
        yield Finding(
            "warning",
            "the trigger outbox_wake_up of outbox_event is missing or disabled: an event may wait "
            "for a second; run `manage.py migrate outbox`, or ALTER TABLE outbox_event ENABLE "
            "TRIGGER outbox_wake_up",
        )


def _position_findings(inspection: Inspection, margin: timedelta | None) -> Iterator[Finding]:
    mine = next((s for s in inspection.standings if s.name == inspection.name), None)
    if mine is None:
        yield _new_position(inspection)
        return
    yield Finding("info", f"position {mine.name!r}: {waiting(mine.backlog)}; {mine.runs}")
    if mine.identity != inspection.identity:
        yield _other_history(mine, inspection.identity, margin)


def _other_history(mine: Standing, found: guards.Identity, margin: timedelta | None) -> Finding:
    if margin is None:
        return Finding("error", guards.stops(mine.name, stored=mine.identity, found=found))
    since = (mine.updated_at - margin).isoformat(timespec="seconds")
    what = guards.other_history(mine.name, stored=mine.identity, found=found)
    again = f"`run` publishes again what was recorded since {since}, and what waits here"
    return Finding("warning", f"{what}: {again}")


def _new_position(inspection: Inspection) -> Finding:
    rows, others = counted(inspection.backlog.rows), [s.name for s in inspection.standings]
    if others and inspection.backlog.rows:
        return Finding(
            "warning",
            f"position {inspection.name!r} is new: {rows} will be published (again); existing: "
            f"{', '.join(others)}",
        )
    return Finding("info", f"position {inspection.name!r} is new: {rows} will be published")


def _restored_findings(inspection: Inspection) -> Iterator[Finding]:
    """Rows that wait for a start, and what `run` would wait for when it comes to re-dating them."""
    grant = inspection.missing_to_redate
    if not inspection.restored:
        if grant:
            yield Finding("info", f"before a dump is restored, this role needs: {grant}")
        return
    what = (
        f"{counted(inspection.restored)} of outbox_event with transaction ids that this server has "
        "yet to reach, as restored ones have: published when `run` starts, which re-dates them, so "
        "restart one that runs"
    )
    if grant:
        yield Finding("error", f"{what}; this role may not: {grant}")
    else:
        runs = any(standing.holder for standing in inspection.standings)
        yield Finding("warning" if runs else "info", what)


def retention_findings(
    inspection: Inspection, horizon: timedelta | None, margin: timedelta | None, now: datetime
) -> Iterator[Finding]:
    """What keeps published rows in the table, or removes them too early; None: all of them stay."""
    if horizon is None:
        return
    if inspection.missing_for_retention:
        yield Finding(
            "warning",
            "published rows are not removed, for this role may not: "
            f"{inspection.missing_for_retention}; or set PUBLISHER_RETENTION=off",
        )
    if margin is not None and horizon < margin:
        yield Finding(
            "warning",
            "PUBLISHER_RETENTION is less than PUBLISHER_REPUBLISH_MARGIN: after a fail-over, rows "
            "that should be published again may be removed; raise the former",
        )
    for standing in inspection.standings:
        if standing.is_left_behind(now - horizon):
            yield Finding("warning", _holds(standing))


def _holds(standing: Standing) -> str:
    name, since = standing.name, standing.updated_at.isoformat(timespec="seconds")
    return (
        f"position {name!r} was stored at {since} for the last time, longer ago than "
        f"PUBLISHER_RETENTION, and {standing.runs}: rows that it has not published are not "
        f"removed ({waiting(standing.backlog)}). If it is not run any more: outbox-publisher "
        f"position remove {name}"
    )


def topic_findings(inspection: Inspection, states: Mapping[str, int | str]) -> Iterator[Finding]:
    """Compare the declared topics, and those of rows that wait, with Kafka.

    `states` has the number of partitions of each topic, or why it cannot be written.
    """
    for topic in inspection.topics:
        yield from _declared(topic, states[topic.name])
    declared = {topic.name for topic in inspection.topics}
    for name in inspection.waiting_topics:
        if name not in declared:
            yield _undeclared(name, states[name])
    if not declared:
        yield Finding(
            "info",
            "the project declares no topic: run `manage.py migrate` in it after adding captures",
        )


def _undeclared(name: str, state: int | str) -> Finding:
    what = f"rows wait for topic {name!r}, which the Django project does not declare: "
    if isinstance(state, str):
        return Finding("error", what + state)
    return Finding("warning", f"{what}run `manage.py migrate` in the project")


def _declared(topic: Topic, state: int | str) -> Iterator[Finding]:
    if isinstance(state, str):
        yield Finding("error", state)
    elif state != topic.partitions:
        yield Finding(
            "difference",
            f"topic {topic.name!r} has {state} partitions, the Django project declares "
            f"{topic.partitions}: adding partitions moves keys, so declare what is there, or sync "
            "consumers into a new topic",
        )


def journal_findings(topic: str, found: TopicSettings | None) -> Iterator[Finding]:
    """Whether the topic that keeps the position exactly once keeps it; None: it does not exist."""
    if found is None:
        yield Finding(
            "info", f"topic {topic!r}, where the position is kept, will be created by `run`"
        )
        return
    what = f"topic {topic!r}, where the position is kept, has "
    policy, least = found.cleanup_policy, found.min_insync_replicas
    if policy not in (None, "compact"):
        yield Finding(
            "error",
            f"{what}cleanup.policy={policy}, by which Kafka removes the position in the end: set "
            "it to compact",
        )
    if least is not None and least > found.replicas:
        yield Finding(
            "error",
            f"{what}{_replicas(found.replicas)} and min.insync.replicas={least}, so that nothing "
            "can be written: lower the latter, or add replicas",
        )
    if found.usual_replicas is not None and found.replicas < found.usual_replicas:
        yield Finding(
            "warning",
            f"{what}{_replicas(found.replicas)}, the cluster gives {found.usual_replicas} to a new "
            "topic: a broker that is lost may take the position along; add replicas",
        )


def _replicas(count: int) -> str:
    return f"{count} replica{'' if count == 1 else 's'}"
