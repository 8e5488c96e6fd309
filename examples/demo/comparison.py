"""What the shop recorded against what the replica got."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

States: TypeAlias = dict[str, dict[str, object]]

# They travel as something that the source does not hold.
HASHED = frozenset({"email"})
# Topic: table, key, columns that do not travel.
SOURCES: Mapping[str, tuple[str, str, frozenset[str]]] = {
    "shop.users": ("auth_user", "id", HASHED | {"password", "last_login"}),
    "shop.labels": ("orders_label", "name", frozenset()),
    "shop.customers": ("customers_customer", "id", frozenset()),
    "shop.orders": ("orders_order", "id", frozenset({"internal_note"})),
    "shop.countries": ("reference_country", "alpha_2", frozenset()),
    "shop.subdivisions": ("reference_subdivision", "code", frozenset()),
    "shop.languages": ("reference_language", "alpha_3", frozenset()),
    "shop.currencies": ("reference_currency", "alpha_3", frozenset()),
}
DELIVERED = "SELECT event_id::text, topic, key, sequence FROM delivered ORDER BY number"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One delivery, duplicates included."""

    event_id: str
    topic: str
    key: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Counts of events; `different` names the topics whose rows are not those of the source."""

    recorded: int
    delivered: int
    missing: int
    phantoms: int
    duplicates: int
    inversions: int
    different: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.missing or self.phantoms or self.inversions or self.different)

    @property
    def exit_code(self) -> int:
        return 0 if self.good else 1

    def __str__(self) -> str:
        equal = "different" if self.different else "equal"
        return (
            f"demo: recorded={self.recorded} delivered={self.delivered} missing={self.missing} "
            f"duplicates={self.duplicates} inversions={self.inversions} replica={equal}"
        )


def compare(source_url: str, replica_url: str) -> Verdict:
    """Read both databases and judge; psycopg.Error when one cannot be read."""
    with psycopg.connect(source_url) as source, psycopg.connect(replica_url) as replica:
        recorded = {row[0] for row in source.execute("SELECT event_id::text FROM outbox_event")}
        arrivals = [Arrival(*row) for row in replica.execute(DELIVERED)]
        different = tuple(
            topic
            for topic in SOURCES
            if source_states(source, topic) != replica_states(replica, topic)
        )
    return judge(recorded, arrivals, different)


def judge(recorded: set[str], arrivals: Iterable[Arrival], different: tuple[str, ...]) -> Verdict:
    first: dict[str, Arrival] = {}
    duplicates = 0
    for arrival in arrivals:
        duplicates += first.setdefault(arrival.event_id, arrival) is not arrival
    return Verdict(
        recorded=len(recorded),
        delivered=len(first),
        missing=len(recorded - first.keys()),
        phantoms=len(first.keys() - recorded),
        duplicates=duplicates,
        inversions=inversions(first.values()),
        different=different,
    )


def inversions(first: Iterable[Arrival]) -> int:
    """How many first deliveries came behind that of a later event of their key."""
    highest: dict[tuple[str, str], int] = {}
    found = 0
    for arrival in first:
        key = arrival.topic, arrival.key
        found += arrival.sequence < highest.get(key, 0)
        highest[key] = max(arrival.sequence, highest.get(key, 0))
    return found


def source_states(connection: psycopg.Connection[Any], topic: str) -> States:
    """The rows of a captured table as they should be downstream, by key."""
    table, key, kept = SOURCES[topic]
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall()
    return {
        str(row[key]): {name: as_json(value) for name, value in row.items() if name not in kept}
        for row in rows
    }


def replica_states(connection: psycopg.Connection[Any], topic: str) -> States:
    rows = connection.execute(
        "SELECT key, state - %s::text[] FROM replica WHERE topic = %s AND state IS NOT NULL",
        [list(HASHED), topic],
    )
    return dict(rows.fetchall())


def as_json(value: object) -> object:
    """A column's value in the canonical JSON of events."""
    match value:
        case Decimal():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return value
