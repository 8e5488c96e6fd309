"""The position in Kafka: a record in a compacted topic of one partition, written with each page.

The topic and the transactional id are one publisher's own: in a shared topic, an open transaction
of another one would hide the newest position.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from publisher.errors import PositionAhead, PositionLost
from publisher.ports import Confirm, Tenure, Topic
from publisher.position import Checkpoint, Position, Progress, Snapshot

KEY = b"position"
PARTITION = 0
TAIL = 50
"""Offsets to look at first: the newest position is in the last few."""

PATIENCE = 3.0
"""Seconds to read it to its end."""


@dataclass(frozen=True, slots=True)
class Journal:
    """Where the publisher of a name keeps its position in Kafka."""

    name: str

    @property
    def topic(self) -> str:
        """Of one partition; its name is the transactional id too."""
        return f"outbox-publisher.{self.name}"

    def declared(self) -> Topic:
        """The topic as it is created where it is missing."""
        return Topic(self.topic, "state", 1)

    def encode(self, tenure: Tenure, reached: Checkpoint) -> bytes:
        """The value of the record."""
        at = {"source": tenure.source, "database": tenure.database, **_written(reached.position)}
        if reached.retried is not None:
            parked, until, cursor = reached.retried
            at["retried"] = {"parked": parked, "until": _written(until), "cursor": cursor}
        return json.dumps(at).encode()

    def decode(self, value: bytes | None, tenure: Tenure) -> Checkpoint | None:
        """What was reached; None where nothing was.

        Raises `PositionLost` where it is of another project or database, except that one of the
        same project whose position was rebased may replace it.
        """
        if value is None:
            return None
        try:
            at = json.loads(value)
            reached = Checkpoint(_read(at), _read_progress(at.get("retried")))
            owner = at["source"], at["database"]
        except (AttributeError, ValueError, TypeError, KeyError):
            raise PositionLost(
                f"the newest record of topic {self.topic!r} is no position ({value[:100]!r}): "
                "find out what else writes there, and choose another PUBLISHER_NAME"
            ) from None
        moved = owner[0] == tenure.source and tenure.rebased
        if owner != (tenure.source, tenure.database) and not moved:
            raise PositionLost(
                f"topic {self.topic!r} holds the position of a publisher for {owner[0]!r} in "
                f"database {owner[1]}, this is {tenure.source!r} in {tenure.database}: choose "
                "another PUBLISHER_NAME" + _otherwise(owner, tenure)
            )
        return reached

    def refuse_ahead(self, found: Checkpoint | None, reached: int | None) -> None:
        """Raise `PositionAhead` where it counts transactions that the database has yet to reach."""
        if found is None or reached is None or found.position.seen.xmax <= reached:
            return
        raise PositionAhead(
            f"topic {self.topic!r} holds a position before transaction {found.position.seen.xmax}, "
            f"but this database has only reached {reached}: an older copy of it was put back, and "
            "what is recorded now would be skipped. Publish what the copy does not count as "
            "published with `outbox-publisher position rebase --since 1h` (readers see repeats)"
        )

    def missing(self) -> PositionLost:
        return PositionLost(
            f"topic {self.topic!r} holds no position, but the database says that one was stored "
            "there: bring the topic back, or publish a margin again with `outbox-publisher "
            "position rebase --since 1h` (readers see repeats)"
        )


def _otherwise(owner: tuple[str, str], tenure: Tenure) -> str:
    """What else cures it where only one of the two differs; a copy of the data folder looks like
    its original."""
    if owner[0] == tenure.source:
        return (
            ", or, if this database is that one restored or moved, and takes its place, "
            "`outbox-publisher position rebase --since 1h` (readers see repeats)"
        )
    if owner[1] != tenure.database:
        return ""
    return (
        ", with `outbox-publisher position rebase --since` for it, so long ago that it leaves "
        "nothing out that waits now (readers see repeats). Or, if "
        f"this is no copy of that database and OUTBOX_SOURCE was changed, set it to {owner[0]!r} "
        "again and run `manage.py migrate`"
    )


def _written(position: Position) -> dict[str, Any]:
    now = None if position.now is None else str(position.now)
    return {"prev": str(position.prev), "now": now, "last_id": position.last_id}


def _read(at: Mapping[str, Any]) -> Position:
    now = None if at["now"] is None else Snapshot.parse(at["now"])
    return Position(Snapshot.parse(at["prev"]), now, int(at["last_id"]))


def _read_progress(at: Mapping[str, Any] | None) -> Progress | None:
    return None if at is None else Progress(at["parked"], _read(at["until"]), at["cursor"])


def recover(
    journal: Journal,
    tenure: Tenure,
    *,
    read: Callable[[], bytes | None],
    fence: Callable[[], None],
    confirm: Confirm,
    write: Callable[[Checkpoint], None],
) -> Checkpoint:
    """Where to go on; from now on nobody else sends for this publisher.

    The journal is read before the fence too, for the publisher of another project, or that of
    which this database is an older copy, must not be fenced.
    """
    reached = confirm() if tenure.mirrored else None
    journal.refuse_ahead(journal.decode(read(), tenure), reached)
    fence()
    found = journal.decode(read(), tenure)
    journal.refuse_ahead(found, reached)
    if not tenure.mirrored:
        confirm()  # Who takes over from now on has to fence this one, and its write fails.
        adopted = Checkpoint(tenure.position)
        write(adopted)
        return adopted
    if found is None:
        raise journal.missing()
    return found


def newest(low: int, high: int, read_from: Callable[[int], bytes | None]) -> bytes | None:
    """The last record between two offsets, looked for from their end."""
    for start in _starts(low, high):
        value = read_from(start)
        if value is not None:
            return value
    return None


def _starts(low: int, high: int) -> Iterator[int]:
    step = TAIL
    while low < high - step:
        yield high - step
        step *= 20
    if low < high:
        yield low
