"""Identifiers of events."""

import random
import subprocess
import sys
import time
from uuid import RFC_4122

from outbox.uuid7 import uuid7


def test_it_has_version_variant_and_the_time_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_identifiers_made_one_after_the_other_are_in_order_down_to_the_microsecond() -> None:
    made = []
    for _ in range(100):
        made.append(uuid7())
        time.sleep(0.000_001)
    assert made == sorted(made)


def test_a_forked_process_makes_identifiers_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60
    )
    assert len(set(done.stdout.split())) == 4


FORKED = """
import os
from outbox.uuid7 import uuid7
uuid7()
os.fork()
os.fork()
os.write(1, b"%d\\n" % (uuid7().int % (1 << 62)))
"""


def test_identifiers_are_unique() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_a_program_that_seeds_random_numbers_neither_repeats_identifiers_nor_notices_them() -> None:
    random.seed(1)
    noise, after = uuid7().int % (1 << 62), random.random()
    random.seed(1)
    assert noise != uuid7().int % (1 << 62)
    random.seed(1)
    assert after == random.random()
