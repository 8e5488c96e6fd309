"""What the commands and the start of the loop ask of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import errors as pg

from publisher import guards
from publisher.adapters.connection import Connection
from publisher.adapters.parked_tables import repeat_parked
from publisher.checks import Inspection
from publisher.errors import StoreUnavailable
from publisher.guards import RETENTION_RIGHTS, RIGHTS, Identity
from publisher.leader import Holder
from publisher.ports import Backlog, Topic
from publisher.position import NOTHING, Position, Snapshot
from publisher.sql import statement
from publisher.standing import CAP, Standing

_BACKLOG = statement("backlog")


def read_identity(connection: Connection) -> Identity:
    """Tell which database this is. Raises `StoreUnavailable` on a standby and without tables."""
    row = connection.execute(statement("guards")).fetchone()
    assert row is not None  # noqa: S101  # the statement has no FROM
    standby, system_identifier, timeline, migrated = row
    guards.refuse_standby(standby=standby)
    guards.refuse_missing_tables(migrated=migrated)
    return Identity(system_identifier, timeline)


def read_source(connection: Connection) -> str:
    """Read `ce_source`, and refuse tables of another release."""
    row = connection.execute(statement("metadata")).fetchone()
    version, source = row or (None, "")
    guards.refuse_schema(version)
    return str(source)


def read_statistics_since(connection: Connection) -> datetime:
    """A moment that changes with every crash of the server."""
    row = connection.execute(statement("statistics_since")).fetchone()
    assert row is not None  # noqa: S101  # the statement has no FROM
    since: datetime = row[0]
    return since


def read_mirrored(connection: Connection, name: str) -> bool:
    """Whether the position that counts is in Kafka, and the table has a mirror of it."""
    return connection.execute(statement("keeper"), {"name": name}).fetchone() == ("kafka",)


def read_topics(connection: Connection) -> list[Topic]:
    """Read the topics that the Django project declares, by name."""
    return [Topic(*row) for row in connection.execute(statement("topics"))]


def refuse_missing_rights(connection: Connection) -> None:
    """Raise `StoreUnavailable` with every right that this role lacks."""
    grants = missing_grants(connection, RIGHTS)
    if grants:
        role = connection.info.user
        raise StoreUnavailable(f"the role {role!r} may not read or write the tables: {grants}")


def missing_grants(connection: Connection, rights: Mapping[str, str]) -> str:
    """What would give this role the rights on these tables that it lacks; empty where it does."""
    wanted = [(table, right) for table, some in rights.items() for right in some.split(", ")]
    tables, privileges = map(list, zip(*wanted, strict=True))
    missing = connection.execute(
        statement("missing_rights"), {"tables": tables, "privileges": privileges}
    )
    return "; ".join(f"GRANT {right} TO {role}" for role, right in missing)


def inspect(connection: Connection, name: str) -> Inspection:
    """Read what `outbox-publisher check` judges. Raises `StoreUnavailable` where `run` waits."""
    identity = read_identity(connection)
    refuse_missing_rights(connection)
    read_source(connection)
    ((unsafe_commits, id_cache, wakes),) = connection.execute(statement("settings"))
    ((restored, redates),) = connection.execute(statement("restored"), {"cap": CAP})
    standings = read_standings(connection)
    position = next((s.position for s in standings if s.name == name), Position())
    return Inspection(
        name=name,
        identity=identity,
        standings=standings,
        backlog=read_backlog(connection, position),
        waiting_topics=_waiting_topics(connection, position),
        topics=read_topics(connection),
        unsafe_commits=unsafe_commits,
        id_cache=id_cache,
        wakes=wakes,
        mirrored=read_mirrored(connection, name),
        missing_for_retention=missing_grants(connection, RETENTION_RIGHTS),
        restored=restored,
        missing_to_redate="" if redates else _grant_to_redate(connection),
    )


def read_standings(connection: Connection) -> list[Standing]:
    """Read where all publishers stand, by name."""
    rows = connection.execute(statement("show_positions")).fetchall()
    return [_standing(connection, row) for row in rows]


def _standing(connection: Connection, row: tuple[Any, ...]) -> Standing:
    name, epoch, prev, now, last_id, system_identifier, timeline, updated_at = row
    position = Position.parse(prev, now, last_id)
    identity = Identity(system_identifier, timeline)
    backlog = read_backlog(connection, position)
    holder = read_holder(connection, name)
    return Standing(name, epoch, position, identity, updated_at, holder, backlog)


def _waiting_topics(connection: Connection, position: Position) -> list[str]:
    params = {
        "xmax": str(position.prev.xmax),
        "in_progress": array(position.prev.in_progress),
        "now": str(position.now or NOTHING),
        "last_id": position.last_id,
        "cap": CAP,
    }
    return [topic for (topic,) in connection.execute(statement("waiting_topics"), params)]


def read_backlog(connection: Connection, position: Position) -> Backlog:
    """Measure what lies behind a position."""
    ((rows, seconds),) = connection.execute(_BACKLOG, backlog_params(position))
    return Backlog(rows, seconds)


def backlog_params(position: Position) -> dict[str, object]:
    """What `backlog.sql` wants to know of a position."""
    return {
        "xmax": str(position.prev.xmax),
        "prev": str(position.prev),
        "ended": array(ended(position)),
        "open": array((position.now or position.prev).in_progress),
        "last_id": position.last_id,
        "cap": CAP,
    }


def lock_position(connection: Connection, name: str) -> bool:
    """Try to become the only publisher of this name, for as long as the connection lives."""
    row = connection.execute(statement("lock_position"), {"name": name}).fetchone()
    return row == (True,)


def read_holder(connection: Connection, name: str) -> Holder | None:
    """Look at the session that holds the position; None where there is none just now."""
    row = connection.execute(statement("holder"), {"name": name}).fetchone()
    return Holder(*row) if row else None


def end_holder(connection: Connection, holder: Holder) -> bool:
    """End the session of a frozen publisher, unless it has woken up since it was looked at."""
    params = {"pid": holder.pid, "since": holder.since, "beat": holder.beat}
    return connection.execute(statement("end_holder"), params).fetchone() == (True,)


def remove_position(connection: Connection, name: str) -> bool:
    """Forget a position and what is set aside for it; False where there is none of this name."""
    with connection.transaction():
        if connection.execute(statement("remove_position"), {"name": name}).rowcount != 1:
            return False
        connection.execute(statement("remove_parked"), {"name": name})
    return True


class Rebased(NamedTuple):
    """Where a position was moved to, and how many rows it has not published look so from now on
    (counted up to a cap)."""

    position: Position
    left_out: int = 0


def rebase_position(
    connection: Connection,
    name: str,
    identity: Identity,
    since: datetime,
    *,
    skip_unpublished: bool = False,
) -> Rebased:
    """Move the position so that what was recorded since then is published again.

    What is not published yet still will be, unless it shall be skipped. Where there is no position
    of this name, only what was recorded since then is published. It takes as long as it takes: to
    find the first row may be to look at all.
    """
    with connection.unhurried(), connection.transaction():
        connection.execute(statement("lock_retention"))
        lowest, here, stored = _repeated_from(connection, name, identity, since)
        if stored is None or skip_unpublished:
            rebased = _begin_there(connection, name, since, lowest)
        else:
            rebased = Rebased(_repeating(connection, stored, lowest, here))
        skips = name if skip_unpublished else None
        disarm_restored(connection, name, identity, since=since, skips=skips)
        repeat_parked(connection, name, lowest)
        _move(connection, name, identity, rebased.position)
    return rebased


def _repeated_from(
    connection: Connection, name: str, identity: Identity, since: datetime
) -> tuple[int, Snapshot, Position | None]:
    """The lowest transaction that comes again, what has ended by now, and the position."""
    params = {"name": name, "since": since, "system_identifier": identity.system_identifier}
    ((lowest, here, *stored),) = connection.execute(statement("rebase_from"), params)
    position = None if stored[0] is None else Position.parse(*stored)
    return int(lowest), Snapshot.parse(here), position


def _begin_there(connection: Connection, name: str, since: datetime, lowest: int) -> Rebased:
    moved = Snapshot(lowest, lowest)
    params = {"name": name, "since": since, "moved": str(moved), "cap": CAP}
    ((left_out,),) = connection.execute(statement("left_out"), params)
    return Rebased(Position(moved), left_out)


def _repeating(connection: Connection, stored: Position, lowest: int, here: Snapshot) -> Position:
    first = None
    if stored.now is not None and stored.now.xmax > lowest:
        window = {"lowest": str(lowest), "xmax": str(stored.now.xmax), "now": str(stored.now)}
        ((first,),) = connection.execute(statement("first_again"), window)
    return stored.repeating(lowest, here, first)


def _move(connection: Connection, name: str, identity: Identity, to: Position) -> None:
    params = {
        "name": name,
        **asdict(identity),
        "prev": str(to.prev),
        "now": str(to.now) if to.now else None,
        "last_id": to.last_id if to.now else None,
    }
    connection.execute(statement("rebase_position"), params)


def disarm_restored(
    connection: Connection,
    name: str,
    identity: Identity,
    *,
    since: datetime | None = None,
    skips: str | None = None,
) -> None:
    """Give rows of transactions that this server has yet to reach others, that it has reached.

    The publisher of this name, which goes on with the database as it is, and those that are to be
    rebased before they do, publish again what was recorded since then, and what they have not
    published, except that the one that `skips` does not want the latter.
    """
    ((restored, _),) = connection.execute(statement("restored"), {"cap": 1})
    if not restored:
        return
    with connection.unhurried(), connection.transaction():
        connection.execute(statement("lock_retention"))
        history = {"name": name, **asdict(identity)}
        others = connection.execute(statement("other_histories"), history).fetchall()
        _redate(connection, {"name": name, "since": since, "skips": skips})
        for other, prev, xmin in others:
            repeat_parked(connection, other, int(xmin))
            lowered = {"name": other, "prev": str(Snapshot.parse(prev).below(int(xmin)))}
            connection.execute(statement("lower_position"), lowered)


def _redate(connection: Connection, params: Mapping[str, object]) -> None:
    try:
        connection.execute(statement("redate_parked"))
        connection.execute(statement("disarm_restored"), params)
    except pg.InsufficientPrivilege as exc:
        raise StoreUnavailable(
            "restored rows of outbox_event carry transaction ids that this server has yet to "
            f"reach, and would be published again then: {_grant_to_redate(connection)}, or run "
            "`outbox-publisher position rebase` as a role that may"
        ) from exc


def _grant_to_redate(connection: Connection) -> str:
    return f"GRANT UPDATE (xid) ON outbox_event TO {connection.info.user}"


def ended(pair: Position) -> list[int]:
    """The transactions that `prev` saw in progress and `now` does not."""
    return [xid for xid in pair.prev.in_progress if pair.now and pair.now.sees(xid)]


def array(xids: Sequence[int]) -> str:
    return "{" + ",".join(map(str, xids)) + "}"
