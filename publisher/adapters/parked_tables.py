"""What is set aside, and what operators ask for, in the tables of the Django app `outbox`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from publisher.adapters.connection import Connection
from publisher.ports import Parked, Request
from publisher.position import Position
from publisher.set_aside import FirstEvent, SetAside
from publisher.sql import statement

Params = dict[str, object]


def read_parked(connection: Connection, name: str) -> list[Parked]:
    """Read what is set aside for the publisher of a name, the oldest first."""
    rows = connection.execute(statement("parked"), {"name": name}).fetchall()
    return [
        Parked(
            id=id_,
            topic=topic,
            key=key,
            row=row,
            reason=reason,
            position=Position.parse(prev, now, last_id),
            until=None if until is None else Position.parse(until, until_now, until_last_id),
            cursor=cursor,
            retries=retries,
        )
        for (
            id_,
            topic,
            key,
            row,
            reason,
            prev,
            now,
            last_id,
            until,
            until_now,
            until_last_id,
            cursor,
            retries,
        ) in rows
    ]


def park(connection: Connection, name: str, parked: Parked) -> Parked:
    """Set something aside, and return it with its id."""
    ((id_,),) = connection.execute(statement("park"), _params(name, parked))
    return replace(parked, id=id_)


def keep_parked(connection: Connection, name: str, parked: Parked) -> None:
    """Store how a retry has come along."""
    connection.execute(statement("keep_parked"), _params(name, parked))


def release_parked(
    connection: Connection, name: str, parked: Parked, request: Request | None, outcome: str
) -> None:
    """Forget what was set aside, and answer the request for that; one statement."""
    number = None if request is None else request.id
    params = {"name": name, "id": parked.id, "request": number, "outcome": outcome}
    connection.execute(statement("release_parked"), params)


def repeat_parked(connection: Connection, name: str, lowest: int) -> None:
    """Count nothing of what is set aside as published from that transaction on.

    What a retry has published or given up below it stays so.
    """
    for parked in read_parked(connection, name):
        position, until = parked.position.below(lowest), parked.until and parked.until.below(lowest)
        keep_parked(connection, name, replace(parked, position=position, until=until))


def read_requests(connection: Connection, name: str) -> Sequence[Request]:
    """Read what was asked of the publisher of a name and is not answered."""
    return [Request(*row) for row in connection.execute(statement("requests"), {"name": name})]


def answer_request(connection: Connection, request: Request, outcome: str) -> None:
    """Say what became of a request."""
    connection.execute(statement("answer_request"), {"id": request.id, "outcome": outcome})


def selection(parked: Parked) -> Params:
    """What `parked_rows.sql` wants to know of what is set aside."""
    return {
        "topic": parked.topic,
        "key": parked.key,
        **_position(parked.position),
        **_position(parked.until, "until_"),
    }


def _params(name: str, parked: Parked) -> Params:
    return {
        **selection(parked),
        "name": name,
        "id": parked.id,
        "row": parked.row,
        "reason": parked.reason,
        "cursor": parked.cursor,
        "retries": parked.retries,
    }


def _position(at: Position | None, prefix: str = "") -> Params:
    frozen = at is not None and at.now is not None
    return {
        f"{prefix}prev": None if at is None else str(at.prev),
        f"{prefix}now": str(at.now) if at and frozen else None,
        f"{prefix}last_id": at.last_id if at and frozen else None,
    }


def read_set_aside(connection: Connection, name: str) -> list[SetAside]:
    """Read what operators see of it."""
    rows = connection.execute(statement("parked_standings"), {"name": name}).fetchall()
    return [_set_aside(*row) for row in rows]


def _set_aside(
    number: int,
    topic: str,
    key: bytes | None,
    row: int,
    reason: str,
    since: datetime,
    retries: int,
    *event: Any,
) -> SetAside:
    first = None if event[0] is None else FirstEvent(*event)
    return SetAside(number, topic, key, row, reason, since, retries, first)


def ask(connection: Connection, name: str, verb: str, each: SetAside) -> int:
    """Ask the active publisher to `retry` or `skip`; returns the number of the request."""
    params = {"name": name, "verb": verb, "number": each.number, "row": each.row}
    ((request,),) = connection.execute(statement("ask"), params)
    return int(request)


def outcome(connection: Connection, request: int) -> str | None:
    """What became of a request; None as long as nobody has answered it."""
    row = connection.execute(statement("outcome"), {"id": request}).fetchone()
    if row is None:
        return f"request {request} was removed before it was answered: ask again"
    return None if row[0] is None else str(row[0])
