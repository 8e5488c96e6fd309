"""What was committed, as the database tells it: written in the transactions that it is about."""

from typing import NamedTuple
from uuid import UUID

import psycopg

ROWS = 40
TABLES = f"""
    CREATE TABLE account (id integer PRIMARY KEY, n integer NOT NULL DEFAULT 0);
    CREATE TABLE ledger (
        topic text, id integer, n integer, mark uuid PRIMARY KEY, unit uuid NOT NULL
    );
    INSERT INTO account (id) SELECT generate_series(0, {ROWS - 1});
    -- Some commits take a while, as with a synchronous replica: the ids are drawn by then.
    CREATE FUNCTION take_a_while() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF random() < 0.2 THEN PERFORM pg_sleep(random() * 0.02); END IF;
            RETURN NULL;
        END
    $$;
    CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON ledger
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION take_a_while();
"""


class Change(NamedTuple):
    """The n-th change of a row; the mark differs where the n-th change was rolled back before."""

    row: int
    n: int
    mark: UUID


def create_tables(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(TABLES)


def committed_changes(database_url: str, topic: str) -> set[Change]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT id, n, mark FROM ledger WHERE topic = %s", [topic])
        return {Change(*row) for row in rows}


def committed_units(database_url: str) -> set[UUID]:
    """The transactions that wrote to the ledger."""
    with psycopg.connect(database_url) as connection:
        return {unit for (unit,) in connection.execute("SELECT DISTINCT unit FROM ledger")}
