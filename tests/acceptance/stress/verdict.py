"""The ledger against Kafka."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from uuid import UUID

from tests.acceptance.stress.ledger import Change, committed_changes
from tests.topics import read_topic


class Delivered(NamedTuple):
    """A record; `appended` is the time in milliseconds that Kafka gave it."""

    event: bytes
    sequence: int
    change: Change
    appended: int

    @classmethod
    def of(cls, record: Any) -> Self:
        headers, value = dict(record.headers), json.loads(record.value)
        change = Change(value["row"], value["n"], UUID(value["mark"]))
        return cls(headers["ce_id"], int(headers["ce_sequence"]), change, record.timestamp)


@dataclass(frozen=True)
class Verdict:
    """What became of the changes of a topic.

    An inversion is a first delivery behind that of a later change of its row; a repeat is a
    further delivery of one event.
    """

    committed: int
    lost: set[Change]
    phantom: set[Change]
    inverted: set[Change]
    repeated: int

    @classmethod
    def on(cls, committed: set[Change], delivered: Iterable[Delivered]) -> Self:
        """Judge what was delivered, in order within each row."""
        everything = list(delivered)
        first: dict[bytes, Delivered] = {}
        for record in everything:
            first.setdefault(record.event, record)
        changes = {record.change for record in first.values()}
        return cls(
            committed=len(committed),
            lost=committed - changes,
            phantom=changes - committed,
            inverted=_inverted(list(first.values())),
            repeated=len(everything) - len(first),
        )

    @property
    def order_and_completeness(self) -> tuple[int, int, int]:
        return len(self.lost), len(self.phantom), len(self.inverted)


def judge(database_url: str, bootstrap_servers: str, topic: str) -> Verdict:
    committed = committed_changes(database_url, topic)
    return Verdict.on(committed, map(Delivered.of, read_topic(bootstrap_servers, topic)))


def _inverted(firsts: Sequence[Delivered]) -> set[Change]:
    """By the sequence that travels, and by the business's own count."""
    by_sequence = inversions([(record.change.row, record.sequence) for record in firsts])
    by_count = inversions([(record.change.row, record.change.n) for record in firsts])
    return {firsts[at].change for at in (*by_sequence, *by_count)}


def inversions(changes: Sequence[tuple[int, int]]) -> list[int]:
    """Where a change (row, place) came behind a later one of its row."""
    highest: dict[int, int] = defaultdict(int)
    found = []
    for at, (row, place) in enumerate(changes):
        if place < highest[row]:
            found.append(at)
        highest[row] = max(highest[row], place)
    return found
