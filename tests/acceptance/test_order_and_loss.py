"""Writers, a publisher that is killed again and again, and a ledger that knows the truth."""

import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from local.kafka import Broker
from local.process import Process
from local.scratch import ROOT
from publisher.adapters import retained
from tests.acceptance.stress.ledger import Change, committed_changes, create_tables
from tests.acceptance.stress.pruner import pruning
from tests.acceptance.stress.verdict import Delivered, Verdict, judge
from tests.conftest import MakeTopic
from tests.topics import read_topic
from tests.waiting import eventually
from tests.writers import Writer

Fault = Callable[[Process], None]
SEED = int(os.environ.get("STRESS_SEED", random.SystemRandom().randrange(10**6)))
STILL = 15.0
"""Seconds without movement after which nothing is expected of a publisher, although it may just
have been started, or rest between two tries."""


class Stress:
    """One run: writers, foreign transactions, a publisher."""

    def __init__(self, url: str, broker: Broker, topic: str, folder: Path) -> None:
        self.url = url
        self.broker = broker
        self.topic = topic
        self.folder = folder
        self.env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": url,
            "STRESS_TOPIC": topic,
            "PUBLISHER_DATABASE_URL": url,
            "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "PUBLISHER_HTTP": "127.0.0.1:0",
            "PUBLISHER_PAGE_ROWS": "20",
        }
        create_tables(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE elsewhere (id integer)")

    def process(self, *module: str) -> Process:
        log = self.folder / f"{module[0]}.log"
        return Process([sys.executable, "-m", *module], log=log, env=self.env, cwd=ROOT)

    def run(
        self,
        *publisher: str,
        seconds: float,
        changes: int,
        faults: Sequence[Fault] = (),
        foreign_to_the_end: bool = True,
    ) -> Verdict:
        """Writers for that long, with faults among them, and on until so many changes are there;
        then read to the end, and judge."""
        with ExitStack() as stack, ExitStack() as foreign:
            self._foreign_writers(foreign)
            relay = stack.enter_context(self.process(*publisher))
            writers = stack.enter_context(self.writers(seconds, changes))
            relay.start()
            writers.start()
            for fault in faults:
                # The moment of the fault, not a wait for a state.
                time.sleep(seconds / (len(faults) + 1))
                assert relay.running, relay.tail()
                fault(relay)
            assert writers.wait(seconds + 180) == 0, f"STRESS_SEED={SEED}\n{writers.tail()}"
            if not foreign_to_the_end:
                foreign.close()
            self.wait_until_all_has_arrived()
            assert relay.running, relay.tail()
            assert relay.stop() == 0, relay.tail()
        verdict = judge(self.url, self.broker.bootstrap_servers, self.topic)
        assert verdict.committed >= changes
        return verdict

    def writers(self, seconds: float, changes: int = 0) -> Process:
        words = map(str, (seconds, SEED, changes))
        return self.process("tests.acceptance.stress.writers", *words)

    def _foreign_writers(self, stack: ExitStack) -> None:
        """One transaction that stays open to the end, and a prepared one."""
        prepared = Writer(self.url)
        prepared.execute("INSERT INTO elsewhere VALUES (1)")
        prepared.prepare(f"stress-{self.topic}")
        stack.callback(self._forget_prepared)
        open_writer = Writer(self.url)
        open_writer.execute("INSERT INTO elsewhere VALUES (2)")
        stack.callback(open_writer.rollback)

    def _forget_prepared(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"ROLLBACK PREPARED 'stress-{self.topic}'")

    def wait_until_all_has_arrived(self) -> None:
        """Until the position has been still for a second and Kafka has what was committed, or the
        position has been still for long."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            seen, since = None, time.monotonic()

            def still() -> bool:
                nonlocal seen, since
                row = connection.execute(
                    "SELECT prev::text, now::text, last_id FROM outbox_position"
                ).fetchone()
                if row != seen:
                    seen, since = row, time.monotonic()
                quiet = time.monotonic() - since if row is not None and row[1] is None else 0.0
                return quiet > STILL or (quiet > 1.5 and self._has_all())

            eventually(still, timeout=180)

    def _has_all(self) -> bool:
        records = read_topic(self.broker.bootstrap_servers, self.topic)
        arrived = {Delivered.of(record).change for record in records}
        return committed_changes(self.url, self.topic) <= arrived


def kill(publisher: Process) -> None:
    publisher.kill()
    publisher.start()


@pytest.fixture
def stress(
    migrated_database_url: str, kafka_broker: Broker, make_topic: MakeTopic, tmp_path: Path
) -> Stress:
    return Stress(migrated_database_url, kafka_broker, make_topic("stress", 4), tmp_path)


@pytest.fixture
def breakable_stress(
    migrated_database_url: str, breakable_broker: Broker, make_topic: MakeTopic, tmp_path: Path
) -> Stress:
    topic = make_topic("stress", 4, on=breakable_broker)
    return Stress(migrated_database_url, breakable_broker, topic, tmp_path)


@pytest.mark.timeout(600)
def test_every_committed_change_arrives_in_order_though_the_publisher_is_killed(
    stress: Stress,
) -> None:
    verdict = stress.run("publisher.cli", "run", seconds=30, changes=2_000, faults=[kill] * 10)
    assert verdict.order_and_completeness == (0, 0, 0), f"STRESS_SEED={SEED}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("client", ["kafka-python", "librdkafka"])
def test_exactly_once_nothing_is_repeated_either_though_the_publisher_is_killed(
    durable_broker: Broker, stress: Stress, client: str
) -> None:
    stress.env |= {
        "PUBLISHER_NAME": stress.topic,
        "PUBLISHER_KAFKA_CLIENT": client,
        "PUBLISHER_DELIVERY": "exactly-once",
    }
    verdict = stress.run("publisher.cli", "run", seconds=15, changes=1_000, faults=[kill] * 6)
    assert verdict.order_and_completeness == (0, 0, 0), f"STRESS_SEED={SEED}"
    assert verdict.repeated == 0, f"STRESS_SEED={SEED}"


@pytest.mark.timeout(600)
def test_every_committed_change_arrives_in_order_though_kafka_is_killed_and_frozen(
    breakable_stress: Stress,
) -> None:
    broker = breakable_stress.broker

    def crash(publisher: Process) -> None:
        broker.kill()
        time.sleep(1.0)  # records wait in the publisher meanwhile
        broker.start()

    def freeze(publisher: Process) -> None:
        broker.freeze()
        time.sleep(3.0)  # longer than the publisher's question about a topic
        broker.thaw()

    faults = [crash, freeze, crash, freeze]
    verdict = breakable_stress.run("publisher.cli", "run", seconds=10, changes=200, faults=faults)
    assert verdict.order_and_completeness == (0, 0, 0), f"STRESS_SEED={SEED}"


@pytest.mark.timeout(600)
def test_without_a_kill_nothing_is_repeated(stress: Stress) -> None:
    verdict = stress.run("publisher.cli", "run", seconds=6, changes=500)
    assert verdict.order_and_completeness == (0, 0, 0), f"STRESS_SEED={SEED}"
    assert verdict.repeated == 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("mutant", "fault"),
    [("last-id", "lost"), ("below-xmin", "inverted"), ("first-of-too-many", "lost")],
)
def test_the_test_finds_the_fault_of_a_naive_reader(
    stress: Stress, mutant: str, fault: str
) -> None:
    """Chance decides what is open when it reads: it has three runs, each adds to the one before."""
    for _ in range(3):
        verdict = stress.run(
            "tests.acceptance.stress.mutants",
            mutant,
            seconds=8,
            changes=500,
            faults=[kill] * 2,
            foreign_to_the_end=False,
        )
        if getattr(verdict, fault):
            break
    assert getattr(verdict, fault), verdict.order_and_completeness


def kill_behind_a_save(url: str) -> Fault:
    """Kill it when the position was stored just now, while transactions are open that it tells."""

    def kill_then(publisher: Process) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            query = "SELECT updated_at FROM outbox_position"
            before = connection.execute(query).fetchone()
            eventually(lambda: connection.execute(query).fetchone() != before)
        kill(publisher)

    return kill_then


@pytest.mark.timeout(600)
def test_every_committed_change_arrives_though_rows_are_removed_as_soon_as_they_may(
    stress: Stress,
) -> None:
    faults = [kill_behind_a_save(stress.url)] * 4
    with pruning(stress.url) as removed:
        verdict = stress.run("publisher.cli", "run", seconds=10, changes=500, faults=faults)
    assert verdict.order_and_completeness == (0, 0, 0), f"STRESS_SEED={SEED}"
    assert removed.rows > verdict.committed / 2


@pytest.mark.timeout(600)
def test_the_test_finds_the_fault_of_who_removes_what_no_position_covers(
    stress: Stress, monkeypatch: pytest.MonkeyPatch
) -> None:
    naive = retained._PRUNE_EVENTS.replace(b"AND j.ripe", b"")
    monkeypatch.setattr(retained, "_PRUNE_EVENTS", naive)
    with pruning(stress.url):
        verdict = stress.run("publisher.cli", "run", seconds=8, changes=500, faults=[kill] * 2)
    assert verdict.lost


def delivered(row: int, n: int, *, sequence: int) -> Delivered:
    change = Change(row, n, UUID(int=sequence))
    return Delivered(str(sequence).encode(), sequence, change, str(row).encode(), 0, 0.0, 0)


def verdict_on(*records: Delivered) -> Verdict:
    return Verdict.on({record.change for record in records}, records)


def test_an_inversion_is_a_first_delivery_behind_a_later_change() -> None:
    first, late = delivered(1, 1, sequence=1), delivered(1, 2, sequence=2)
    later, elsewhere = delivered(1, 3, sequence=3), delivered(2, 1, sequence=4)
    assert verdict_on(first, elsewhere, later, first, late).inverted == {late.change}
    assert verdict_on(first, late, later, first, late).inverted == set()


def test_an_inversion_is_seen_by_the_business_though_the_sequence_hides_it() -> None:
    early, late = delivered(1, 1, sequence=2), delivered(1, 2, sequence=1)
    assert verdict_on(late, early).inverted == {early.change}


def test_an_event_that_comes_again_is_a_repeat_and_one_that_was_rolled_back_a_phantom() -> None:
    kept, undone = delivered(1, 1, sequence=2), delivered(1, 1, sequence=1)
    verdict = Verdict.on({kept.change}, [undone, kept, kept])
    assert (verdict.phantom, verdict.lost, verdict.repeated) == ({undone.change}, set(), 1)
    assert Verdict.on({kept.change}, [undone]).lost == {kept.change}
