"""The ledger against Kafka."""

import json
from collections import defaultdict
from dataclasses import dataclass

import psycopg

from tests.topics import read_topic

Change = tuple[int, int]


@dataclass(frozen=True)
class Verdict:
    """Changes as (row, n). An inversion is a first delivery behind that of a later change."""

    committed: int
    lost: set[Change]
    phantom: set[Change]
    inverted: list[Change]
    repeated: int

    @property
    def order_and_completeness(self) -> tuple[int, int, int]:
        return len(self.lost), len(self.phantom), len(self.inverted)


def judge(database_url: str, bootstrap_servers: str, topic: str) -> Verdict:
    with psycopg.connect(database_url) as connection:
        ledger: set[Change] = {(i, n) for i, n in connection.execute("SELECT id, n FROM ledger")}
    delivered = [json.loads(record.value) for record in read_topic(bootstrap_servers, topic)]
    changes: list[Change] = [(event["row"], event["n"]) for event in delivered]
    first = list(dict.fromkeys(changes))
    return Verdict(
        committed=len(ledger),
        lost=ledger - set(first),
        phantom=set(first) - ledger,
        inverted=inversions(first),
        repeated=len(changes) - len(first),
    )


def inversions(changes: list[Change]) -> list[Change]:
    """Changes that came behind a later change of their row."""
    highest: dict[int, int] = defaultdict(int)
    found = []
    for row, n in changes:
        if n < highest[row]:
            found.append((row, n))
        highest[row] = max(highest[row], n)
    return found
