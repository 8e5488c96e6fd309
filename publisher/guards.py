"""Which database the publisher talks to, and why it may have to refuse it."""

from __future__ import annotations

from dataclasses import dataclass

from publisher.errors import StoreUnavailable, TimelineChanged

SCHEMA_VERSIONS = range(2, 3)
"""The versions of the outbox tables that this release reads."""

RIGHTS = {
    "outbox_event": "SELECT",
    "outbox_metadata": "SELECT",
    "outbox_topic": "SELECT",
    "outbox_position": "SELECT, INSERT, UPDATE",
    "outbox_parked": "SELECT, INSERT, UPDATE, DELETE",
    "outbox_request": "SELECT, INSERT, UPDATE",
}
"""What the role of the publisher needs."""

RETENTION_RIGHTS = {
    "outbox_event": "SELECT, DELETE",
    "outbox_position": "SELECT",
    "outbox_parked": "SELECT",
    "outbox_request": "SELECT, DELETE",
}
"""What it needs to remove what is published."""

POOLED = (
    "a pooler lends the session of PUBLISHER_DATABASE_URL to others between transactions: writers "
    "cannot wake this publisher, and the lock by which others of its name stand by is not "
    "reliable. Connect to PostgreSQL directly; where that cannot be, set PUBLISHER_WAKE_UP=poll "
    "and run one process only for each name"
)

CRASHED = (
    "PostgreSQL was not shut down cleanly, or its statistics were reset: what was sent since the "
    "position was stored may come again, for transactions may get numbers that were used before"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A database cluster on one line of its history; timeline 0 stands for what a copy replaced."""

    system_identifier: int
    timeline: int

    def __str__(self) -> str:
        if self.timeline == 0:
            return f"a later state of system {self.system_identifier} than a copy that was put back"
        return f"system {self.system_identifier}, timeline {self.timeline}"


def refuse_standby(*, standby: bool) -> None:
    """A standby's snapshots list no transaction in progress: events would be skipped silently."""
    if standby:
        raise StoreUnavailable(
            "the database is a standby in recovery: point PUBLISHER_DATABASE_URL to the primary"
        )


def refuse_missing_tables(*, migrated: bool) -> None:
    """The tables belong to the Django app `outbox`, and may come later than the sidecar."""
    if not migrated:
        raise StoreUnavailable(
            "the table outbox_metadata does not exist in this database: run "
            "`manage.py migrate outbox` there, or correct PUBLISHER_DATABASE_URL"
        )


def refuse_schema(version: int | None) -> None:
    """The tables and this release may be one release apart, either way."""
    if version not in SCHEMA_VERSIONS:
        raise StoreUnavailable(
            f"the outbox tables are of schema version {version}, this publisher reads "
            f"{SCHEMA_VERSIONS.start} to {SCHEMA_VERSIONS.stop - 1}: run `manage.py migrate "
            "outbox`, or install the release of django-outbox-bridge that the project uses"
        )


def refuse_other_history(name: str, *, stored: Identity, found: Identity) -> None:
    """After a fail-over or a restore, ids and transaction ids may have been used again."""
    if stored != found:
        raise TimelineChanged(stops(name, stored=stored, found=found))


def stops(name: str, *, stored: Identity, found: Identity) -> str:
    """Why the publisher stops where the two differ, and the cure."""
    return (
        f"{other_history(name, stored=stored, found=found)}. Publish a margin again, and what is "
        "not published yet, with `outbox-publisher position rebase --since 1h`, or let `run` do it "
        "by itself with PUBLISHER_ON_TIMELINE_CHANGE=republish"
    )


def other_history(name: str, *, stored: Identity, found: Identity) -> str:
    """What is wrong where the two differ."""
    return (
        f"the position {name!r} belongs to {stored}, but this database is {found}: after a "
        "fail-over or a restore, ids may have been used again: rows would be skipped, and "
        "consumers may take new events for repeats until the sequence of outbox_event.id is above "
        "every ce_sequence in Kafka"
    )
