"""The downstream service: what is older never overwrites what is newer."""

import json
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from examples.shop import replica
from schemas import Envelope


def delivery(sequence: int, state: dict[str, Any] | None, *, tombstone: bool = False) -> Any:
    change = {"op": "delete" if state is None else "update", "after": state}
    envelope = Envelope(
        id=f"00000000-0000-0000-0000-{sequence:012d}",
        source="/shop",
        type="orders.order",
        version=None if tombstone else 1,
        time=datetime.now(UTC),
        subject="1",
        sequence=sequence,
        key=b"1",
        value=None if tombstone else json.dumps(change).encode(),
        extensions={},
    )
    return "shop.orders", envelope


@pytest.mark.parametrize(
    ("deliveries", "state"),
    [
        ([delivery(1, {"n": 1}), delivery(2, {"n": 2})], {"n": 2}),
        ([delivery(2, {"n": 2}), delivery(1, {"n": 1})], {"n": 2}),
        ([delivery(1, {"n": 1}), delivery(2, None), delivery(3, None, tombstone=True)], None),
        ([delivery(3, None, tombstone=True), delivery(1, {"n": 1})], None),
        ([delivery(3, None, tombstone=True), delivery(4, {"n": 4})], {"n": 4}),
    ],
    ids=["in-order", "older-behind", "deleted", "older-behind-deletion", "made-again"],
)
def test_the_latest_sequence_is_what_the_replica_holds(
    database_url: str, deliveries: list[Any], state: object
) -> None:
    with replica.connect(database_url) as connection:
        for each in deliveries:
            replica.apply(connection, [each])
        assert connection.execute("SELECT state FROM replica").fetchall() == [(state,)]


def test_every_delivery_is_in_the_journal_repeats_included(database_url: str) -> None:
    with replica.connect(database_url) as connection:
        replica.apply(connection, [delivery(1, {"n": 1}), delivery(1, {"n": 1})])
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT key, sequence FROM delivered").fetchall()
    assert rows == [("1", 1), ("1", 1)]
