"""Several publishers of one name, killed and frozen while writers write."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest

from local.kafka import Broker
from local.postgres import Postgres
from tests.acceptance.publishers import Publisher
from tests.acceptance.stress.ledger import Change, committed_changes
from tests.acceptance.stress.verdict import judge
from tests.acceptance.test_order_and_loss import SEED, Stress
from tests.conftest import MakeTopic, migrate
from tests.topics import read_topic
from tests.waiting import eventually
from tests.writers import write

Publishers = Callable[..., list[Publisher]]


@pytest.fixture
def publishers(kafka_broker: Broker, tmp_path: Path) -> Iterator[Publishers]:
    """Starts publishers of one name, whose logs are those of one life."""
    with ExitStack() as stack:
        numbers = count(1)

        def start(url: str, how_many: int, **env: str) -> list[Publisher]:
            return [one(url, **env) for _ in range(how_many)]

        def one(url: str, **env: str) -> Publisher:
            folder = tmp_path / f"publisher-{next(numbers)}"
            folder.mkdir()
            publisher = Publisher(url, kafka_broker.bootstrap_servers, folder, **env)
            return stack.enter_context(publisher)

        yield start


def settled(publishers: Sequence[Publisher]) -> bool:
    """Whether one is active and ready, and every other one stands by."""
    states = [publisher.ready() for publisher in publishers]
    ready = sum(bool(state["ready"]) for state in states)
    waiting = sum("stands by" in str(state["waits_for"]) for state in states)
    return (ready, waiting) == (1, len(publishers) - 1)


def the_active_of(publishers: Sequence[Publisher]) -> Publisher:
    """As soon as one is, and no other."""
    active: list[Publisher] = []

    def one_is() -> bool:
        active[:] = [publisher for publisher in publishers if publisher.active]
        return len(active) == 1

    eventually(one_is, timeout=30)
    return active[0]


def take_overs(broker: Broker, topic: str, faults: Sequence[float]) -> list[float]:
    """For each fault, the seconds until the next record was sent."""
    records = read_topic(broker.bootstrap_servers, topic)
    sent = sorted(record.timestamp / 1000 for record in records)
    return [min(at for at in sent if at > fault) - fault for fault in faults]


def report(what: str, seconds: Sequence[float]) -> str:
    return (
        f"{what}: {len(seconds)} times, median {statistics.median(seconds):.2f} s, "
        f"slowest {max(seconds):.2f} s"
    )


def position(url: str) -> tuple[int, int]:
    """How far it is, and how often it was taken over."""
    with psycopg.connect(url) as connection:
        ((xmax, epoch),) = connection.execute(
            "SELECT pg_snapshot_xmax(prev)::text::bigint, epoch FROM outbox_position"
        )
    return xmax, epoch


@pytest.fixture
def stress(
    migrated_database_url: str, kafka_broker: Broker, make_topic: MakeTopic, tmp_path: Path
) -> Stress:
    return Stress(migrated_database_url, kafka_broker, make_topic("ha", 4), tmp_path)


class Run:
    """Three publishers that a test breaks while writers write."""

    def __init__(self, stress: Stress, publishers: Publishers) -> None:
        self.stress = stress
        self.faults: list[float] = []
        self._start = partial(publishers, stress.url, PUBLISHER_PAGE_ROWS="20")
        self._publishers = self._start(3)
        eventually(lambda: settled(self._publishers), timeout=30)

    def run(self, break_one: Callable[["Run"], None], times: int) -> list[float]:
        """Break the active one so often; the seconds until the next record was sent, each time."""
        with self.stress.writers(600) as writers:
            eventually(lambda: the_active_of(self._publishers).acknowledged > 50, timeout=30)
            for _ in range(times):
                break_one(self)
                eventually(lambda: settled(self._publishers), timeout=30)
            eventually(lambda: len(self._committed()) > 300, timeout=60)
            assert writers.running, writers.tail()
            writers.kill()
        self.stress.wait_until_all_has_arrived()
        self._judge()
        return take_overs(self.stress.broker, self.stress.topic, self.faults)

    def _committed(self) -> set[Change]:
        return committed_changes(self.stress.url, self.stress.topic)

    def _judge(self) -> None:
        verdict = judge(self.stress.url, self.stress.broker.bootstrap_servers, self.stress.topic)
        assert verdict.order_and_completeness == (0, 0, 0), f"STRESS_SEED={SEED}"
        assert_repeats_are_older(self.stress)

    def kill(self) -> None:
        """Kill the active one; a new one comes once another one is active."""
        active = the_active_of(self._publishers)
        self.faults.append(time.time())
        active.process.kill()
        self._publishers.remove(active)
        eventually(lambda: settled(self._publishers), timeout=20)
        self._publishers += self._start(1)

    def freeze(self) -> None:
        """Freeze the active one, and let it wake up once another one is active.

        Again, where meanwhile one of the others took over from another one that stood still for
        moments, as they do on a busy machine.
        """
        for _ in range(3):
            before, after = self._freeze_and_thaw()
            if before == after:
                return
        raise AssertionError(f"the position has had {after} owners, not {before}")

    def _freeze_and_thaw(self) -> tuple[int, int]:
        """How often it was taken over before the frozen one woke up, and once it stood by."""
        active = the_active_of(self._publishers)
        others = [publisher for publisher in self._publishers if publisher is not active]
        self.faults.append(time.time())
        active.process.freeze()
        eventually(lambda: settled(others), timeout=20)
        xmax, epoch = position(self.stress.url)
        active.process.thaw()
        eventually(lambda: "stands by" in str(active.ready()["waits_for"]), timeout=20)
        xmax_now, epoch_now = position(self.stress.url)
        assert xmax_now >= xmax
        return epoch, epoch_now


def assert_repeats_are_older(stress: Stress) -> None:
    """Whatever comes behind something newer of its key came before, with the same sequence."""
    seen: dict[bytes, int] = {}
    highest: dict[bytes, int] = defaultdict(int)
    for record in read_topic(stress.broker.bootstrap_servers, stress.topic):
        headers = dict(record.headers)
        sequence = int(headers["ce_sequence"])
        if sequence < highest[record.key]:
            assert seen[headers["ce_id"]] == sequence
        seen[headers["ce_id"]] = sequence
        highest[record.key] = max(highest[record.key], sequence)


@pytest.mark.timeout(600)
def test_when_the_active_one_is_killed_another_one_goes_on_within_a_second(
    stress: Stress, publishers: Publishers
) -> None:
    seconds = Run(stress, publishers).run(Run.kill, times=5)
    print(report("killed", seconds))  # noqa: T201
    assert statistics.median(seconds) < 1
    assert max(seconds) < 5


@pytest.mark.timeout(600)
def test_when_the_active_one_freezes_another_one_goes_on_and_the_frozen_one_stands_by_later(
    stress: Stress, publishers: Publishers
) -> None:
    seconds = Run(stress, publishers).run(Run.freeze, times=5)
    print(report("frozen", seconds))  # noqa: T201
    assert statistics.median(seconds) < 5
    assert max(seconds) < 10


def test_one_is_active_again_when_the_database_has_restarted(
    private_postgres: Postgres,
    kafka_broker: Broker,
    make_topic: MakeTopic,
    publishers: Publishers,
) -> None:
    topic = make_topic()
    url = private_postgres.create_database("shop")
    migrate(url)
    started = publishers(url, 3)
    eventually(lambda: settled(started), timeout=30)
    private_postgres.kill()
    eventually(lambda: not any(p.active for p in started), timeout=20)
    private_postgres.start()
    write(url, b"a", topic=topic)
    eventually(lambda: settled(started), timeout=30)
    assert sum(publisher.active for publisher in started) == 1
    eventually(lambda: read_topic(kafka_broker.bootstrap_servers, topic), timeout=20)
    assert all(publisher.process.running for publisher in started)


def test_what_a_frozen_one_still_holds_comes_late_but_never_first(
    migrated_database_url: str, breakable_broker: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    url, servers = migrated_database_url, breakable_broker.bootstrap_servers
    topic = make_topic(on=breakable_broker)
    one_by_one = {
        "PUBLISHER_KAFKA_CONFIG__MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION": "1",
        "PUBLISHER_KAFKA_CONFIG__BATCH_SIZE": "1",
    }
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with ExitStack() as stack:
        zombie = stack.enter_context(Publisher(url, servers, one, **one_by_one))
        write(url, b"a", topic=topic)
        eventually(lambda: zombie.acknowledged == 1, timeout=30)
        heir = stack.enter_context(Publisher(url, servers, two))
        eventually(lambda: settled([zombie, heir]), timeout=30)
        breakable_broker.freeze()
        ids = write(url, *[b"a"] * 20, topic=topic)
        eventually(lambda: zombie.ready()["lag_rows"] == 20, timeout=20)
        zombie.process.freeze()
        breakable_broker.thaw()
        eventually(lambda: heir.acknowledged >= 20, timeout=30)
        zombie.process.thaw()
        eventually(lambda: "stands by" in str(zombie.ready()["waits_for"]), timeout=20)
        ids += write(url, *[b"a"] * 20, topic=topic)
        eventually(lambda: heir.acknowledged >= 40, timeout=30)
    found = [int(dict(record.headers)["ce_sequence"]) for record in read_topic(servers, topic)][1:]
    assert list(dict.fromkeys(found)) == ids
    assert len(found) > len(ids)


def test_while_kafka_is_away_nobody_takes_over(
    migrated_database_url: str, publishers: Publishers
) -> None:
    nowhere = {"PUBLISHER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    started = publishers(migrated_database_url, 2, **nowhere)
    eventually(lambda: any(publisher.active for publisher in started), timeout=20)
    active, standby = sorted(started, key=lambda publisher: not publisher.active)
    eventually(lambda: "nothing listens" in str(active.ready()["waits_for"]), timeout=20)
    eventually(lambda: "stands by" in str(standby.ready()["waits_for"]), timeout=20)
    _, epoch = position(migrated_database_url)
    waits = active.waits
    eventually(lambda: active.waits >= waits + 5, timeout=60)
    assert position(migrated_database_url)[1] == epoch
    assert active.active


def test_publishers_that_stand_by_stay_connected_say_so_once_and_hold_back_no_vacuum(
    migrated_database_url: str, publishers: Publishers
) -> None:
    started = publishers(migrated_database_url, 3)
    eventually(lambda: settled(started), timeout=30)
    sessions = """
        SELECT pid, backend_start, xact_start < now() - interval '1 s' OR state LIKE 'idle in %'
        FROM pg_stat_activity WHERE application_name = 'outbox-publisher:default' ORDER BY pid
    """
    with psycopg.connect(migrated_database_url, autocommit=True) as connection:
        first = connection.execute(sessions).fetchall()
        for _ in range(20):
            time.sleep(0.1)  # some tries
            found = connection.execute(sessions).fetchall()
            assert [row[:2] for row in found] == [row[:2] for row in first]
            assert not any(row[2] for row in found)
    for publisher in started:
        said = [line for line in publisher.lines if line["event"] == "standing by"]
        assert len(said) == (0 if publisher.active else 1)
        if not publisher.active:
            (line,) = said
            assert line["reason"] == publisher.ready()["waits_for"]
            assert f"session {the_holder(started[0])} from " in line["reason"]


def the_holder(publisher: Publisher) -> str:
    """The session that `position show` names."""
    shown = publisher.command("position", "show").stdout
    return shown.partition("a publisher runs (session ")[2].partition(" ")[0]
