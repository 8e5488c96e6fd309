"""What large events cost in memory."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence

import psycopg

from benchmarks.database import outbox_database
from benchmarks.drain import Drain, Run
from benchmarks.figures import Figure, Goal
from benchmarks.modes import Mode
from benchmarks.stage import Say, stage

EVENTS = 300
LARGE_BYTES = 1_000_000
"""Near the limit of a broker at its defaults, which is a mebibyte with headers and all."""

_INSERT = """
INSERT INTO outbox_event (event_id, topic, key, type, version, value)
VALUES (gen_random_uuid(), %s, convert_to('customer-' || %s, 'UTF8'), 'shop.scan', 1, %b)
"""


def measure(modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Drain events of 1 MB by each mode, and take the peak of its memory."""
    with stage("large", say) as servers, outbox_database(servers.server) as url:
        record_large(url, servers.log.topic, EVENTS)
        drain = Drain(url, servers.log, EVENTS)
        found = {}
        for mode in modes:
            found[mode] = drain.ours(mode)
            say(f"{mode}: {EVENTS} events of 1 MB, peak {found[mode].megabytes:.0f} MB")
    return list(figures(found))


def figures(found: Mapping[Mode, Run]) -> Iterator[Figure]:
    """The worst of all modes, and each."""
    worst = max(run.megabytes for run in found.values())
    yield Figure("large.1mb.rss_mb", worst, Goal("<", 300))
    for mode, run in found.items():
        yield Figure(f"large.1mb.{mode}.rss_mb", run.megabytes)


def record_large(url: str, topic: str, events: int) -> None:
    """Store events of 1 MB that cannot be compressed, each in its own transaction."""
    value = b'{"scan":"%b"}' % secrets.token_hex(LARGE_BYTES // 2 - 6).encode()
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(events):
            connection.execute(_INSERT, [topic, str(number % 100), value])
