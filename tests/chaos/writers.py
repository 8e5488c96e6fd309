"""Writers that outlive the database: `python -m tests.chaos.writers SEED GATE CONFIRMED`.

They go on until SIGTERM. Each transaction holds GATE shared; whoever holds it exclusively keeps
them out. What PostgreSQL confirmed goes to CONFIRMED, a line each; for what it did not, because
it died in the middle, the ledger in the database is asked afterwards.
"""

import fcntl
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from tests.acceptance.stress.writers import one_transaction

THREADS = int(os.environ.get("CHAOS_WRITERS", "4"))
PAUSE = 0.12
OUTAGE_PAUSE = 0.1
UNDONE = 0.3
"""A crash of PostgreSQL takes back the numbers of transactions that left nothing on its disk."""

stopping = threading.Event()


def main(seed: int, gate: Path, confirmed: Path) -> None:
    django.setup()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threads = [
        threading.Thread(target=write, args=(random.Random(f"{seed} {n}"), gate, confirmed))
        for n in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def write(chance: random.Random, gate: Path, confirmed: Path) -> None:
    with confirmed.open("ab", buffering=0) as log:
        while not stopping.is_set():
            with passing(gate):
                unit = attempt(chance)
            if unit is not None:
                log.write(f"{unit}\n".encode())
            stopping.wait(chance.random() * PAUSE)


def attempt(chance: random.Random) -> object:
    from django.db import Error, connection

    try:
        return one_transaction(chance, UNDONE)
    except Error as exc:
        print(type(exc.__cause__ or exc).__name__, str(exc).splitlines()[:1], flush=True)
        connection.close()
        stopping.wait(OUTAGE_PAUSE)
        return None


@contextmanager
def passing(gate: Path) -> Iterator[None]:
    file = os.open(gate, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
