"""What the commands and the start of the loop ask of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher import guards
from publisher.adapters.connection import Connection
from publisher.checks import Inspection
from publisher.ports import Backlog, Topic
from publisher.position import Position, Snapshot
from publisher.sql import statement

_BACKLOG = statement("backlog")

BACKLOG_CAP = 100_000
"""Rows beyond this number are not counted: the count stays a statement of milliseconds."""


def read_identity(connection: Connection) -> guards.Identity:
    """Tell which database this is. Raises `StoreUnavailable` on a standby and without tables."""
    row = connection.execute(statement("guards")).fetchone()
    assert row is not None  # noqa: S101  # the statement has no FROM
    standby, system_identifier, timeline, migrated = row
    guards.refuse_standby(standby=standby)
    guards.refuse_missing_tables(migrated=migrated)
    return guards.Identity(system_identifier, timeline)


def read_source(connection: Connection) -> str:
    """Read `ce_source`, and refuse tables of another release."""
    row = connection.execute(statement("metadata")).fetchone()
    version, source = row or (None, "")
    guards.refuse_schema(version)
    return str(source)


def read_topics(connection: Connection) -> list[Topic]:
    """Read the topics that the Django project declares, by name."""
    return [Topic(*row) for row in connection.execute(statement("topics"))]


def inspect(connection: Connection) -> Inspection:
    """Read what `outbox-publisher check` judges."""
    ((synchronous_commit, id_cache),) = connection.execute(statement("settings"))
    return Inspection(synchronous_commit, id_cache, read_topics(connection))


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """A row of `outbox_position`."""

    name: str
    epoch: int
    position: Position
    identity: guards.Identity
    updated_at: datetime


def read_positions(connection: Connection) -> list[StoredPosition]:
    """Read the positions of all publishers, by name."""
    return [
        StoredPosition(
            name, epoch, stored_position(prev, now, last_id), guards.Identity(system, timeline), at
        )
        for name, epoch, prev, now, last_id, system, timeline, at in connection.execute(
            statement("show_positions")
        )
    ]


def read_backlog(connection: Connection, position: Position) -> Backlog:
    """Measure what lies behind a position."""
    params = {
        "xmax": str(position.prev.xmax),
        "prev": str(position.prev),
        "ended": array(ended(position)),
        "open": array((position.now or position.prev).in_progress),
        "last_id": position.last_id,
        "cap": BACKLOG_CAP,
    }
    ((rows, seconds),) = connection.execute(_BACKLOG, params)
    return Backlog(rows, seconds)


def lock_position(connection: Connection, name: str) -> bool:
    """Try to become the only publisher of this name, for as long as the connection lives."""
    row = connection.execute(statement("lock_position"), {"name": name}).fetchone()
    return row == (True,)


def rebase_position(
    connection: Connection,
    name: str,
    identity: guards.Identity,
    since: datetime,
) -> Position:
    """Move the position so that what was recorded since then is published again."""
    with connection.transaction():
        connection.execute(statement("disarm_restored"), {"since": since})
        row = connection.execute(
            statement("rebase_position"),
            {
                "name": name,
                "system_identifier": identity.system_identifier,
                "timeline": identity.timeline,
                "since": since,
            },
        ).fetchone()
    assert row is not None  # noqa: S101  # an upsert returns its row
    return Position(Snapshot.parse(row[0]))


def stored_position(prev: str, now: str | None, last_id: int) -> Position:
    return Position(Snapshot.parse(prev), Snapshot.parse(now) if now else None, last_id)


def ended(pair: Position) -> list[int]:
    """The transactions that `prev` saw in progress and `now` does not."""
    return [xid for xid in pair.prev.in_progress if pair.now and pair.now.sees(xid)]


def array(xids: Sequence[int]) -> str:
    return "{" + ",".join(map(str, xids)) + "}"
