"""Sparse writes into the sleep of publishers: `python -m tests.integration.publisher.sparse`.

Each write stays open for a moment between INSERT and COMMIT, and the next one comes when the
publishers are about to fall asleep or just have. Nothing but a writer wakes them: what they do not
notice waits until the next write, and counts as late.
"""

import argparse
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import psycopg

from local.postgres import postgres
from publisher import relay
from publisher.adapters import heartbeat
from publisher.adapters.memory_broker import MemoryBroker
from publisher.adapters.postgres import PostgresStore
from publisher.health import Health
from publisher.relay import Pace, Relay
from publisher.stop import Stop
from publisher.wakeup import Sleeper
from tests.conftest import migrate
from tests.writers import INSERT, execute

PACE = Pace(busy=0.001, idle=0.002, nap=3_600.0, save=0.0)
"""Nothing but a writer, a stop or the loss of the connection ends a sleep."""

OPEN = 0.020
"""Seconds that a write stays open at most; the time between two is of the same size."""

LATE = 10.0
"""Seconds until a row that nobody noticed counts as late, for which a busy machine is no reason. It
would be an hour else."""

SOON = 1.0
"""The same for mutants, which are late anyway."""

SESSION_LEVEL = """
CREATE OR REPLACE FUNCTION outbox_wake_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lock bigint := hashtextextended('outbox-publisher', 0);
BEGIN
    IF pg_try_advisory_lock_shared(lock) THEN
        PERFORM pg_advisory_unlock_shared(lock);
    ELSE
        PERFORM pg_notify('outbox_publisher', '');
    END IF;
    RETURN NULL;
END
$$
"""


class WithoutSecondRead(Sleeper):
    """A mutant: falls asleep behind the read that found nothing, and waits."""

    def before_read(self) -> None:
        pass

    def rest(self) -> float:
        pause = super().rest()
        if self._tired and not self._dozes:
            self._dozes = self._store.doze()
        return self._sleep() if self._dozes else pause


@dataclass
class Outcome:
    """Writes, sleeps that they ended, and those that no publisher noticed."""

    writes: int = 0
    sleeps: int = 0
    late: int = 0


class Counting(PostgresStore):
    """Counts how often somebody waits for its bell."""

    sleeps = 0

    @property
    def bell(self) -> int | None:
        self.sleeps += 1
        return super().bell


@contextmanager
def publishing(url: str, name: str) -> Iterator[tuple[Counting, MemoryBroker]]:
    """A publisher in a thread, to a broker in memory."""
    store, broker, stop = Counting(url, name=name), MemoryBroker(), Stop()
    loop = Relay(store=store, broker=broker, health=Health(), pace=PACE)
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        yield store, broker
    finally:
        stop.set()
        thread.join()


def write_sparsely(
    url: str,
    writes: int,
    *,
    names: Sequence[str] = ("one",),
    sleeper: type[Sleeper] = Sleeper,
    late: float = LATE,
    enough: Callable[[Outcome], bool] = lambda outcome: False,
) -> Outcome:
    """Write so many rows, one by one, or until it is enough."""
    outcome, chance = Outcome(), random.Random(5)
    with ExitStack() as stack:
        stack.enter_context(patch.object(relay, "Sleeper", sleeper))
        stack.enter_context(patch.object(heartbeat, "PULSE", PACE.nap))
        both = [stack.enter_context(publishing(url, name)) for name in names]
        writer = stack.enter_context(psycopg.connect(url))
        while outcome.writes < writes and not enough(outcome):
            time.sleep(chance.uniform(0.0, OPEN))
            writer.execute(INSERT, ("t", b"k", b"k", b"{}"))
            time.sleep(chance.uniform(0.0, OPEN))
            writer.commit()
            outcome.writes += 1
            outcome.late += not _arrive([broker for _, broker in both], outcome.writes, late)
            outcome.sleeps = sum(store.sleeps for store, _ in both)
    return outcome


def _arrive(brokers: Sequence[MemoryBroker], rows: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(len(broker.log) < rows for broker in brokers):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0005)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=1_500)
    parser.add_argument("--names", nargs="+", default=["one"])
    parser.add_argument("--mutant", choices=["without-second-read", "session-level"])
    given = parser.parse_args()
    sleeper = WithoutSecondRead if given.mutant == "without-second-read" else Sleeper
    with postgres(fsync=False) as server:
        url = server.create_database("sparse")
        migrate(url)
        if given.mutant == "session-level":
            execute(url, SESSION_LEVEL)
        late = SOON if given.mutant else LATE
        outcome = write_sparsely(url, given.writes, names=given.names, sleeper=sleeper, late=late)
    sys.stdout.write(f"{outcome}\n")


if __name__ == "__main__":
    main()
