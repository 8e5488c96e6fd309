"""Databases with an outbox in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg

from local.postgres import Postgres, database_name
from local.scratch import ROOT

VALUE_BYTES = 400
KEYS = 1_000
PER_TRANSACTION = 1_000

NOTE = f"""'{{"note":"' || repeat('x', {VALUE_BYTES} - 11) || '"}}'"""
"""A value of 400 bytes, in SQL."""
ORDER = """
format(
    '{"order_id":%%s,"customer_id":"%%s","placed_at":"2026-11-%%s","total":"%%s","lines":[%%s]}',
    n, md5(n::text), 1 + n %% 28, n %% 9973, (
        SELECT string_agg(
            format(
                '{"sku":"%%s","quantity":%%s,"price":"%%s.%%s"}',
                left(md5((n * line)::text), 8), n %% 7, n %% 499, n * line %% 100
            ), ','
        ) FROM generate_series(1, 5) AS line
    )
)"""
"""An order of five lines as JSON, of about as many bytes, with `n` its number."""

_INSERT = """
INSERT INTO outbox_event (event_id, topic, key, type, version, subject, value)
SELECT
    gen_random_uuid(),
    %(topic)s,
    convert_to('customer-' || n %% %(keys)s, 'UTF8'),
    'shop.order.placed',
    1,
    'order/' || n,
    convert_to({value}, 'UTF8')
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
ORDER BY n
"""
_numbers = count(1)


@contextmanager
def outbox_database(
    server: Postgres, template: str | None = None, *, models: bool = False
) -> Iterator[str]:
    """A database with migrated tables, or a copy of one; dropped afterwards.

    With `models`, it has the tables of `benchmarks.models` too.
    """
    name = f"benchmark_{os.getpid()}_{next(_numbers)}"
    try:
        if template:
            yield server.create_database(name, database_name(template))
        else:
            url = server.create_database(name)
            _migrate(url, *(["--run-syncdb"] if models else []))
            yield url
    finally:
        server.drop_database(name)


def record(url: str, topic: str, events: int, *, value: str = NOTE) -> None:
    """Store events as the app does: nine headers each, the keys in turn, many transactions."""
    params = {"topic": topic, "keys": KEYS}
    insert = _INSERT.replace("{value}", value).encode()
    with psycopg.connect(url, autocommit=True) as connection:
        for first in range(1, events + 1, PER_TRANSACTION):
            last = min(events, first + PER_TRANSACTION - 1)
            connection.execute(insert, {**params, "first": first, "last": last})


def _migrate(url: str, *options: str) -> None:
    command = [sys.executable, "-m", "django", "migrate", "--verbosity=0", *options]
    env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "benchmarks.settings"}
    subprocess.run(command, cwd=ROOT, env=env, check=True)
