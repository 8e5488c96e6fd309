"""The ledger against Kafka."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from tests.acceptance.stress.ledger import Change, committed_changes
from tests.topics import read_topic


class Delivered(NamedTuple):
    """A record; `recorded` is its event's own time in seconds, `appended` Kafka's in
    milliseconds."""

    event: bytes
    sequence: int
    change: Change
    key: bytes
    partition: int
    recorded: float
    appended: int

    @classmethod
    def of(cls, record: Any) -> Self:
        headers, value = dict(record.headers), json.loads(record.value)
        return cls(
            event=headers["ce_id"],
            sequence=int(headers["ce_sequence"]),
            change=Change(value["row"], value["n"], UUID(value["mark"])),
            key=record.key,
            partition=record.partition,
            recorded=datetime.fromisoformat(headers["ce_time"].decode()).timestamp(),
            appended=record.timestamp,
        )

    @property
    def content(self) -> tuple[int, Change, bytes]:
        """What is the same each time that the event comes."""
        return self.sequence, self.change, self.key


@dataclass(frozen=True)
class Verdict:
    """What became of the changes of a topic.

    An inversion is a first delivery behind that of a later change of its row; a repeat is a
    further delivery of one event, which may come behind later ones: its sequence tells that it is
    old. What came under several ids is `doubled`; an event that came again with another sequence,
    change or key is `altered`; what has not its row for a key, or another partition than its key
    had before, is `misplaced`.
    """

    committed: int
    lost: set[Change]
    phantom: set[Change]
    inverted: set[Change]
    doubled: set[Change]
    altered: set[Change]
    misplaced: set[Change]
    repeated: int

    @classmethod
    def on(cls, committed: set[Change], delivered: Iterable[Delivered]) -> Self:
        """Judge what was delivered, in order within each row."""
        everything = list(delivered)
        first: dict[bytes, Delivered] = {}
        for record in everything:
            first.setdefault(record.event, record)
        changes = Counter(record.change for record in first.values())
        return cls(
            committed=len(committed),
            lost=committed - changes.keys(),
            phantom=changes.keys() - committed,
            inverted=_inverted(list(first.values())),
            doubled={change for change, ids in changes.items() if ids > 1},
            altered=_altered(first, everything),
            misplaced=_misplaced(everything),
            repeated=len(everything) - len(first),
        )

    @property
    def order_and_completeness(self) -> tuple[int, int, int]:
        return len(self.lost), len(self.phantom), len(self.inverted)


def judge(database_url: str, bootstrap_servers: str, topic: str) -> Verdict:
    """AssertionError for what not even a publisher with a fault in it may do."""
    committed = committed_changes(database_url, topic)
    verdict = Verdict.on(committed, map(Delivered.of, read_topic(bootstrap_servers, topic)))
    assert (verdict.doubled, verdict.altered, verdict.misplaced) == (set(), set(), set())
    return verdict


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


def _altered(first: Mapping[bytes, Delivered], everything: Sequence[Delivered]) -> set[Change]:
    return {each.change for each in everything if each.content != first[each.event].content}


def _misplaced(everything: Sequence[Delivered]) -> set[Change]:
    homes: dict[bytes, int] = {}
    return {
        each.change
        for each in everything
        if each.key != str(each.change.row).encode()
        or each.partition != homes.setdefault(each.key, each.partition)
    }
