"""The demo tells the truth: it passes, and it fails when something is broken."""

import json
import re
import subprocess
import sys
import uuid

import psycopg
import pytest

from examples.demo.comparison import SOURCES, Arrival, Verdict, compare, inversions
from examples.shop import replica
from local.postgres import Postgres
from local.scratch import ROOT

LAST_LINE = re.compile(
    r"demo: recorded=(\d+) delivered=\1 missing=0 duplicates=\d+ inversions=0 replica=equal"
)
SHOP = """
    CREATE TABLE outbox_event (event_id uuid);
    CREATE TABLE customers_customer (id bigint, name text);
    CREATE TABLE orders_order (id bigint, total numeric(12, 2), internal_note text,
        placed_at timestamptz);
    CREATE TABLE reference_country (alpha_2 text);
    CREATE TABLE reference_subdivision (code text);
    CREATE TABLE reference_language (alpha_3 text);
    CREATE TABLE reference_currency (alpha_3 text);
    INSERT INTO orders_order VALUES (1, 9.90, 'secret', '2024-01-01 12:00+01');
"""
ORDER = {"id": 1, "total": "9.90", "placed_at": "2024-01-01T11:00:00Z"}
EVENT = str(uuid.UUID(int=1))


@pytest.fixture
def urls(postgres_server: Postgres, database_url: str) -> tuple[str, str]:
    """A shop with one order, and a replica that has it; both in one database."""
    with psycopg.connect(database_url) as shop:
        shop.execute(SHOP)
        shop.execute("INSERT INTO outbox_event VALUES (%s)", [EVENT])
    with replica.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO replica VALUES ('shop.orders', '1', 1, %s)", [json.dumps(ORDER)]
        )
        connection.execute(replica.JOURNAL, [EVENT, "shop.orders", "1", 1])
    return database_url, database_url


def damaged(urls: tuple[str, str], statement: str) -> Verdict:
    with psycopg.connect(urls[1]) as connection:
        connection.execute(statement)
    return compare(*urls)


@pytest.mark.timeout(180)
def test_the_demo_delivers_everything_though_its_publisher_is_killed() -> None:
    command = [sys.executable, "-m", "examples.demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "killed with SIGKILL" in done.stdout
    match = LAST_LINE.fullmatch(done.stdout.splitlines()[-1])
    assert match, done.stdout
    assert int(match[1]) > 13_000


def test_a_replica_that_is_equal_passes(urls: tuple[str, str]) -> None:
    verdict = compare(*urls)
    assert LAST_LINE.fullmatch(str(verdict))
    assert verdict.exit_code == 0


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM replica",
        "UPDATE replica SET state = NULL",
        """UPDATE replica SET state = jsonb_set(state, '{total}', '"9.91"')""",
        "INSERT INTO replica VALUES ('shop.countries', 'XX', 9, '{}')",
    ],
)
def test_a_replica_that_differs_fails(urls: tuple[str, str], damage: str) -> None:
    verdict = damaged(urls, damage)
    assert str(verdict).endswith("missing=0 duplicates=0 inversions=0 replica=different")
    assert verdict.exit_code == 1


def test_an_event_that_never_arrived_fails(urls: tuple[str, str]) -> None:
    verdict = damaged(urls, "DELETE FROM delivered")
    assert (verdict.missing, verdict.exit_code) == (1, 1)


def test_an_event_that_nobody_recorded_fails(urls: tuple[str, str]) -> None:
    verdict = damaged(urls, "UPDATE delivered SET event_id = gen_random_uuid()")
    assert (verdict.phantoms, verdict.exit_code) == (1, 1)


def test_an_event_that_came_twice_is_counted_and_passes(urls: tuple[str, str]) -> None:
    again = "INSERT INTO delivered (event_id, topic, key, sequence) "
    verdict = damaged(urls, again + "SELECT event_id, topic, key, sequence FROM delivered")
    assert (verdict.delivered, verdict.duplicates, verdict.exit_code) == (1, 1, 0)


def test_a_later_event_before_an_earlier_one_of_its_key_is_an_inversion() -> None:
    def arrival(key: str, sequence: int) -> Arrival:
        return Arrival(f"{key}{sequence}", "shop.orders", key, sequence)

    assert inversions([arrival("1", 5), arrival("2", 1), arrival("1", 7)]) == 0
    assert inversions([arrival("1", 5), arrival("2", 1), arrival("1", 3)]) == 1


def test_every_topic_of_states_is_compared() -> None:
    assert set(SOURCES) == set(replica.STATES)
