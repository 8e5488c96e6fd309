"""Eight writers in a Django process, with everything that makes commits come in another order.

Every business row counts its own changes; the ledger says, in the same transaction, which changes
there are. `python -m tests.acceptance.stress.writers SECONDS SEED CHANGES`: they write for so many
seconds, and on until so many changes are committed.
"""

import os
import random
import sys
import threading
import time
from uuid import UUID, uuid4

import django

from tests.acceptance.stress.ledger import ROWS

WRITERS = 8


class Undone(Exception):
    """Leaves a block so that it is rolled back."""


def main(seconds: float, seed: int, changes: int) -> None:
    django.setup()
    deadline = time.monotonic() + seconds
    threads = [
        threading.Thread(
            target=write_until, args=(deadline, changes, random.Random(seed * WRITERS + n))
        )
        for n in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def write_until(deadline: float, changes: int, chance: random.Random) -> None:
    from django.db import connection

    while time.monotonic() < deadline or committed() < changes:
        one_transaction(chance)
    connection.close()


def committed() -> int:
    """How many changes there are."""
    from django.db import connection

    from tests.acceptance.stress.events import TOPIC

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger WHERE topic = %s", [TOPIC])
        return int(cursor.fetchone()[0])


def one_transaction(chance: random.Random, undone: float = 0.1) -> UUID | None:
    """Change some rows; what the ledger calls it, None where it was rolled back, as the part
    `undone` is."""
    from django.db import connection, transaction

    unit = uuid4()
    try:
        with transaction.atomic():
            if chance.random() < 0.3:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_current_xact_id()")
                time.sleep(chance.random() * 0.02)
            first, *rest = sorted(chance.sample(range(ROWS), chance.choice([1, 1, 2, 3])))
            change(first, unit)
            for row in rest:
                in_a_savepoint(chance, row, unit)
            time.sleep(chance.random() * 0.01)
            if chance.random() < undone:
                raise Undone
    except Undone:
        return None
    return unit


def in_a_savepoint(chance: random.Random, row: int, unit: UUID) -> None:
    from django.db import transaction

    if chance.random() < 0.5:
        by_hand = transaction.savepoint()
        change(row, unit)
        if chance.random() < 0.3:
            transaction.savepoint_rollback(by_hand)
        else:
            transaction.savepoint_commit(by_hand)
        return
    try:
        with transaction.atomic(), transaction.atomic():
            change(row, unit)
            if chance.random() < 0.3:
                raise Undone
    except Undone:
        pass


def change(row: int, unit: UUID) -> None:
    """Count the row up, write the ledger, record the event: all of it or nothing."""
    from django.db import connection

    import outbox
    from tests.acceptance.stress.events import TOPIC, Changed

    mark = uuid4()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE account SET n = n + 1 WHERE id = %s RETURNING n", [row])
        (n,) = cursor.fetchone()
        cursor.execute(
            "INSERT INTO ledger VALUES (%s, %s, %s, %s, %s)", [TOPIC, row, n, mark, unit]
        )
    outbox.record(Changed(row=row, n=n, mark=mark))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
