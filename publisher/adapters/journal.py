"""The position in Kafka: a record in a compacted topic of one partition, written with each page.

The topic and the transactional id are one publisher's own: in a shared topic, an open transaction
of another one would hide the newest position.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from publisher.errors import PositionLost
from publisher.ports import Tenure, Topic
from publisher.position import Position, Snapshot

KEY = b"position"
PARTITION = 0
TAIL = 50
"""Offsets to look at first: the newest position is in the last few."""

PATIENCE = 10.0
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

    def encode(self, source: str, position: Position) -> bytes:
        """The value of the record."""
        at = {
            "source": source,
            "prev": str(position.prev),
            "now": None if position.now is None else str(position.now),
            "last_id": position.last_id,
        }
        return json.dumps(at).encode()

    def decode(self, value: bytes | None, source: str) -> Position | None:
        """The position; None where there is none.

        Raises `PositionLost` where it is that of another project.
        """
        if value is None:
            return None
        try:
            at = json.loads(value)
            now = None if at["now"] is None else Snapshot.parse(at["now"])
            position = Position(Snapshot.parse(at["prev"]), now, int(at["last_id"]))
            project = at["source"]
        except (ValueError, TypeError, KeyError):
            raise PositionLost(
                f"the newest record of topic {self.topic!r} is no position ({value[:100]!r}): "
                "find out what else writes there, and choose another PUBLISHER_NAME"
            ) from None
        if project != source:
            raise PositionLost(
                f"topic {self.topic!r} holds the position of a publisher for {project!r}, "
                f"this project is {source!r}: choose another PUBLISHER_NAME"
            )
        return position

    def missing(self) -> PositionLost:
        return PositionLost(
            f"topic {self.topic!r} holds no position, but the database says that one was stored "
            "there: bring the topic back, or publish a margin again with `outbox-publisher "
            "position rebase --since 1h` (readers see repeats)"
        )


def recover(
    journal: Journal,
    tenure: Tenure,
    *,
    read: Callable[[], bytes | None],
    fence: Callable[[], None],
    write: Callable[[Position], None],
) -> Position:
    """Where to go on; from now on nobody else sends for this publisher.

    The journal is read before the fence too, for the publisher of another project must not be
    fenced.
    """
    journal.decode(read(), tenure.source)
    fence()
    found = journal.decode(read(), tenure.source)
    if not tenure.mirrored:
        write(tenure.position)
        return tenure.position
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
