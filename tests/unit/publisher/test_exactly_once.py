"""The loop where a page arrives whole with its end, or not at all."""

import pytest

from publisher.adapters.memory import MemoryDatabase, MemoryStore
from publisher.adapters.memory_broker import MemoryBroker, MemoryTransactions
from publisher.errors import PositionLost
from publisher.health import Health
from publisher.ports import Limits
from publisher.position import Position
from publisher.relay import Pace, Relay
from publisher.stop import Stop


class Bench:
    """A relay between a database and a Kafka that outlive it."""

    def __init__(self, database: MemoryDatabase, broker: MemoryBroker, rows: int = 8) -> None:
        self.now = 1_000.0
        self.database, self.broker, self.health = database, broker, Health(lambda: self.now)
        self.store = MemoryStore(database, keeper="kafka" if broker.atomic else "database")
        self.relay = Relay(
            store=self.store,
            broker=broker,
            health=self.health,
            limits=Limits(rows=rows),
            pace=Pace(save=10.0),
            clock=lambda: self.now,
        )

    def steps(self, count: int = 40, seconds: float = 0.1) -> None:
        for _ in range(count):
            self.relay.step()
            self.now += seconds

    def stop(self) -> None:
        stop = Stop()
        stop.set()
        self.relay.run(stop)


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


@pytest.fixture
def kafka() -> MemoryTransactions:
    return MemoryTransactions()


def write(database: MemoryDatabase, count: int) -> None:
    writer = database.begin()
    for number in range(count):
        writer.record(key=b"%d" % (number % 3))
    writer.commit()


def arrived(broker: MemoryBroker) -> list[int]:
    return [record.id for record in broker.log]


def test_a_page_is_one_transaction(database: MemoryDatabase, kafka: MemoryTransactions) -> None:
    write(database, 20)
    Bench(database, kafka).steps()
    assert arrived(kafka) == list(range(1, 21))
    assert kafka.transactions == 3


def test_kafka_tells_where_to_go_on_and_not_the_table_that_lies_behind(
    database: MemoryDatabase, kafka: MemoryTransactions
) -> None:
    write(database, 5)
    Bench(database, kafka).steps(count=3)  # and then it is killed, before it stores again
    assert arrived(kafka) == [1, 2, 3, 4, 5]
    assert database.position == Position()
    write(database, 2)
    Bench(database, kafka).steps()
    assert arrived(kafka) == [1, 2, 3, 4, 5, 6, 7]


def test_the_table_says_that_kafka_keeps_the_position_before_anything_is_sent(
    database: MemoryDatabase, kafka: MemoryTransactions
) -> None:
    write(database, 5)
    kafka.frozen = True
    Bench(database, kafka).steps(count=1)
    assert database.keeper == "kafka"
    assert kafka.log == []


def test_a_table_that_cannot_say_so_is_waited_for_and_nothing_is_sent(
    database: MemoryDatabase, kafka: MemoryTransactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(database, 5)
    bench = Bench(database, kafka)
    save = bench.store.save

    def fails_once(position: Position) -> None:
        monkeypatch.setattr(bench.store, "save", save)
        bench.store.outage = "away"
        save(position)

    monkeypatch.setattr(bench.store, "save", fails_once)
    bench.steps(count=2)
    assert kafka.log == []
    assert not kafka.is_open
    bench.store.outage = None
    bench.steps()
    assert database.keeper == "kafka"
    assert arrived(kafka) == [1, 2, 3, 4, 5]


def test_an_empty_journal_beside_a_mirror_is_refused(
    database: MemoryDatabase, kafka: MemoryTransactions
) -> None:
    write(database, 5)
    Bench(database, kafka).steps()
    kafka.journal = None
    with pytest.raises(PositionLost):
        Bench(database, kafka).steps()


def test_going_over_to_at_least_once_and_back_skips_nothing(
    database: MemoryDatabase, kafka: MemoryTransactions
) -> None:
    write(database, 5)
    first = Bench(database, kafka)
    first.steps(count=4)
    first.stop()
    write(database, 5)
    plain = MemoryBroker()
    second = Bench(database, plain)
    second.steps()
    second.stop()
    assert arrived(plain) == [6, 7, 8, 9, 10]
    assert database.keeper == "database"
    write(database, 5)
    Bench(database, kafka).steps()
    assert arrived(kafka) == [*range(1, 6), *range(11, 16)]


def test_a_fenced_publisher_looks_who_holds_the_position_and_goes_on_where_kafka_says(
    database: MemoryDatabase, kafka: MemoryTransactions
) -> None:
    write(database, 5)
    bench = Bench(database, kafka)
    kafka.frozen = True
    bench.steps(count=2)
    kafka.fence += 1
    kafka.frozen = False
    bench.relay.step()
    assert not bench.store.is_open
    assert bench.health.reason is not None
    assert "transactional id" in bench.health.reason
    bench.steps()
    assert arrived(kafka) == [1, 2, 3, 4, 5]
    assert bench.health.ready


def test_what_is_committed_when_the_answer_is_lost_is_not_sent_again(
    database: MemoryDatabase, kafka: MemoryTransactions
) -> None:
    write(database, 5)
    kafka.loses_answers = 1
    bench = Bench(database, kafka)
    bench.steps()
    assert arrived(kafka) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("vague", [False, True])
@pytest.mark.parametrize("refused", [1, 4, 8, 13])
def test_a_refused_row_is_found_by_halves_and_only_its_key_stays_behind(
    database: MemoryDatabase, kafka: MemoryTransactions, refused: int, vague: bool
) -> None:
    kafka.vague, kafka.rejected = vague, {refused}
    write(database, 13)
    bench = Bench(database, kafka)
    bench.steps()
    key = refused % 3 or 3  # of rows 1, 4, 7, ... and so on
    others = [n for n in range(1, 14) if (n % 3 or 3) != key]
    assert sorted(arrived(kafka)) == sorted({*others, *range(key, refused, 3)})
    (parked,) = database.parked.values()
    assert (parked.row, parked.reason) == (refused, f"row {refused} is rejected")
    assert bench.health.ready


def test_no_transaction_is_sent_while_another_is_on_its_way(
    database: MemoryDatabase, kafka: MemoryTransactions
) -> None:
    write(database, 30)
    kafka.frozen = True
    bench = Bench(database, kafka)
    bench.steps(count=5)
    assert kafka.pages == 1
    kafka.frozen = False
    bench.steps()
    assert arrived(kafka) == list(range(1, 31))
