"""The loop, against a store and a broker in memory, with time passed in."""

import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from publisher.adapters import memory_broker
from publisher.adapters.memory import MemoryDatabase, MemoryStore
from publisher.adapters.memory_broker import MemoryBroker
from publisher.errors import (
    BrokerUnavailable,
    Fenced,
    Interrupted,
    RecordRejected,
    StoreUnavailable,
    TopicForbidden,
    Unavailable,
)
from publisher.health import Health
from publisher.leader import PULSE, TRY_EVERY
from publisher.ports import Limits, Record, Request, SmallWindow
from publisher.position import Snapshot
from publisher.relay import Pace, Relay
from publisher.stop import Stop
from tests.waiting import eventually


class Bench:
    """A relay with its sides and its clock in the test's hands."""

    def __init__(
        self, database: MemoryDatabase | None = None, pages: int = 2, pace: Pace | None = None
    ) -> None:
        self.now, self.tick = 1_000.0, 0.0
        self.database = database or MemoryDatabase()
        self.store = MemoryStore(self.database)
        self.broker = MemoryBroker()
        self.health = Health(self.clock)
        self.relay = Relay(
            store=self.store,
            broker=self.broker,
            health=self.health,
            limits=Limits(rows=3, bytes=1_000),
            pace=pace or Pace(pages=pages),
            clock=self.clock,
        )

    def clock(self) -> float:
        self.now += self.tick
        return self.now

    def write(self, *keys: bytes, topic: str = "t") -> None:
        writer = self.database.begin()
        for key in keys:
            writer.record(key=key, topic=topic)
        writer.commit()

    def steps(self, count: int = 20, seconds: float = 0.1) -> None:
        for _ in range(count):
            self.relay.step()
            self.now += seconds

    def stop(self) -> None:
        stop = Stop()
        stop.set()
        self.relay.run(stop)

    @property
    def arrived(self) -> list[int]:
        return [record.id for record in self.broker.log]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_rows_arrive_in_order_with_their_headers(bench: Bench) -> None:
    bench.write(b"a", b"b", b"a", b"c", b"d")
    bench.steps()
    assert bench.arrived == [1, 2, 3, 4, 5]
    headers = dict(bench.broker.log[0].headers)
    assert headers["ce_type"] == b"test.event"
    assert headers["ce_sequence"] == b"00000000000000000001"
    assert headers["ce_source"] == b"/test"
    assert bench.health.acknowledged == 5
    assert bench.health.reason is None


def test_a_database_that_fails_while_a_page_is_in_hand_costs_no_row(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    foresee, failures = bench.store.foresee, iter([StoreUnavailable("a reason")] * 2)

    def fail_twice(*asked: Any) -> Any:
        for failure in failures:
            raise failure
        return foresee(*asked)

    monkeypatch.setattr(bench.store, "foresee", fail_twice)
    bench.write(*[b"k"] * 9)
    bench.steps()
    assert next(failures, None) is None
    assert bench.arrived == list(range(1, 10))


def test_a_stop_stores_the_position_behind_what_was_acknowledged(bench: Bench) -> None:
    bench.write(b"a", b"b")
    bench.steps(seconds=0.0)
    bench.stop()
    successor = Bench(bench.database)
    successor.steps()
    assert successor.arrived == []


def test_a_stop_settles_what_is_on_its_way(bench: Bench) -> None:
    bench.write(b"a", b"b")
    bench.broker.frozen = True
    bench.steps(3, seconds=0.0)
    bench.broker.frozen = False
    bench.stop()
    assert bench.arrived == [1, 2]
    assert bench.database.position.prev.sees(100)


def test_a_stop_during_an_outage_of_kafka_stores_what_was_acknowledged(bench: Bench) -> None:
    bench.write(b"a", b"b", b"c")
    bench.broker.acknowledge_upto = 2
    bench.steps(3, seconds=0.0)
    bench.broker.outage = "no broker answers"
    bench.stop()
    assert bench.database.position.last_id == 2


def test_a_page_that_waited_for_its_topic_is_not_taken_for_a_stall(bench: Bench) -> None:
    bench.write(b"a")
    bench.broker.missing = {"t": "topic 't' does not exist"}
    bench.steps(10, seconds=10.0)
    bench.broker.missing, bench.broker.frozen = {}, True
    bench.steps(2)
    assert bench.health.reason is None


class LongStop(Stop):
    """Stretches every wait, so that only the stop ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def wait(self, seconds: float | None, bell: int | None = None) -> bool:
        self.waits.set()
        return super().wait(60, bell)


@pytest.mark.parametrize("outage", [None, "down"])
def test_a_stop_ends_a_wait(bench: Bench, outage: str | None) -> None:
    bench.store.outage = outage
    stop = LongStop()
    thread = threading.Thread(target=bench.relay.run, args=(stop,), daemon=True)
    thread.start()
    assert stop.waits.wait(5)
    stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_a_crash_repeats_only_what_was_not_stored(bench: Bench) -> None:
    bench.write(b"a", b"b")
    bench.steps()
    bench.write(b"c")
    bench.steps(3, seconds=0.0)
    bench.write(b"d")
    bench.steps(3, seconds=0.0)
    assert bench.arrived == [1, 2, 3, 4]
    successor = Bench(bench.database)
    successor.steps()
    assert successor.arrived == [4]


def test_the_position_moves_over_the_contiguous_prefix_only(bench: Bench) -> None:
    bench.write(b"a", b"b", b"c")
    bench.broker.acknowledge_upto = 2
    bench.steps()
    assert bench.health.acknowledged == 2
    assert bench.database.position.last_id == 2
    assert bench.database.position.now is not None


def test_the_position_is_stored_a_few_times_per_second_however_much_moves(bench: Bench) -> None:
    for _ in range(100):
        bench.write(b"a")
        bench.steps(1, seconds=0.01)
    assert len(bench.arrived) > 90
    assert bench.database.saves <= 4


def test_an_idle_relay_writes_nothing(bench: Bench) -> None:
    bench.write(b"a")
    bench.steps()
    saves = bench.database.saves
    bench.database.begin().touch()
    bench.steps(50, seconds=1.0)
    assert bench.database.saves == saves
    assert bench.health.position_age < 2.0


def test_an_idle_relay_polls_more_slowly_then_sleeps_and_a_busy_one_polls_at_once(
    bench: Bench,
) -> None:
    pauses = [bench.relay.step() for _ in range(8)]
    assert pauses[0] == pytest.approx(0.005)
    assert max(pauses[:5]) == pytest.approx(0.020)
    assert pauses[5:] == [1.0, 1.0, 1.0]
    bench.write(b"a")
    assert bench.relay.step() == 0.0
    assert bench.relay.step() <= 0.010
    assert not bench.database.asleep


def test_a_relay_whose_sleep_is_refused_polls_on(bench: Bench) -> None:
    writer = bench.database.begin()
    writer.record()
    pauses = [bench.relay.step() for _ in range(50)]
    assert max(pauses) == pytest.approx(0.020)
    writer.commit()
    bench.steps()
    assert bench.arrived == [1]
    assert bench.database.asleep


def test_a_relay_does_not_sleep_before_its_position_is_stored(bench: Bench) -> None:
    bench.write(b"a")
    bench.steps(50, seconds=0.001)
    assert not bench.database.asleep
    bench.steps()
    assert bench.database.saves == 1
    assert bench.database.asleep


def test_what_is_written_while_a_relay_falls_asleep_is_read_before_it_waits(bench: Bench) -> None:
    doze = bench.store.doze

    def written_meanwhile() -> bool:
        bench.write(b"a")
        return doze()

    bench.store.doze = written_meanwhile  # type: ignore[method-assign]
    pauses = [bench.relay.step() for _ in range(6)]
    assert max(pauses) == pytest.approx(0.020)
    assert bench.relay.step() <= 0.010
    assert bench.arrived == [1]


def test_a_ring_between_the_read_and_the_wait_is_heard(bench: Bench) -> None:
    bench.steps()
    assert bench.relay.step() == 1.0
    read = bench.store.small_window

    def written_behind(prev: Snapshot, limits: Limits) -> SmallWindow:
        small = read(prev, limits)
        if not bench.database.rows:
            bench.write(b"a")
        return small

    bench.store.small_window = written_behind  # type: ignore[method-assign]
    assert bench.relay.step() == 0.0
    bench.steps(2)
    assert bench.arrived == [1]


def test_writers_need_not_ring_while_kafka_is_away(bench: Bench) -> None:
    bench.steps()
    assert bench.database.asleep
    bench.broker.outage = "no broker answers"
    bench.write(b"a")
    bench.steps()
    assert not bench.database.asleep


def test_a_sleeping_relay_measures_its_lag(bench: Bench) -> None:
    bench.steps()
    for _ in range(20):
        assert bench.relay.step() == 1.0
        bench.now += 1.0
        assert bench.health.lag_rows == 0
        assert bench.health.alive
    late = bench.database.begin()
    late.record()
    bench.broker.outage = "no broker answers"
    late.commit()
    bench.steps(1)
    bench.steps(2, seconds=1.0)
    assert bench.health.lag_rows == 1


def test_a_nap_ends_before_the_heartbeat_takes_the_ring_off_the_connection() -> None:
    assert Pace().nap < PULSE


@pytest.mark.parametrize("write", [True, False])
def test_a_ring_or_a_stop_ends_a_sleep(write: bool) -> None:
    bench = Bench(pace=Pace(busy=0.0, idle=0.0, nap=3600.0))
    stop = Stop()
    thread = threading.Thread(target=bench.relay.run, args=(stop,), daemon=True)
    thread.start()
    eventually(lambda: bench.database.asleep)
    if write:
        bench.write(b"a")
        eventually(lambda: bench.arrived == [1])
    stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert not bench.database.asleep


def test_an_outage_of_kafka_is_waited_for_and_nothing_is_given_up(bench: Bench) -> None:
    bench.steps(2)
    bench.write(b"a", b"b")
    bench.broker.outage = "no broker answers"
    bench.steps(100, seconds=40.0)
    assert bench.health.reason == "no broker answers"
    assert bench.health.lag_rows == 2
    assert (bench.health.lag_seconds or 0) > 0
    assert bench.health.alive
    bench.broker.outage = None
    bench.steps()
    assert bench.arrived == [1, 2]
    assert bench.health.reason is None
    assert bench.health.lag_rows == 0


def test_an_outage_of_postgres_repeats_nothing_of_what_was_acknowledged(bench: Bench) -> None:
    bench.write(b"a", b"b")
    bench.steps(3, seconds=0.0)
    bench.store.outage = "connection refused"
    bench.steps(5)
    assert bench.health.reason == "connection refused"
    bench.store.outage = None
    bench.write(b"c")
    bench.steps()
    assert bench.arrived == [1, 2, 3]


def test_records_on_their_way_survive_an_outage_of_postgres(bench: Bench) -> None:
    bench.broker.frozen = True
    bench.write(b"a", b"b")
    bench.steps(3)
    bench.store.outage = "connection refused"
    bench.steps(3)
    bench.broker.frozen, bench.store.outage = False, None
    bench.steps()
    assert bench.arrived == [1, 2]


def test_records_that_wait_for_long_get_their_reason_and_stay_on_their_way(bench: Bench) -> None:
    bench.broker.frozen = True
    bench.write(b"a", b"b")
    bench.steps(100, seconds=1.0)
    assert str(bench.health.reason).startswith(
        "Kafka does not acknowledge outbox row 1 for topic 't', which was sent more than 5 s ago"
    )
    bench.broker.without_leader = {"t": "topic 't' has no leader for partition 0"}
    bench.steps(2)
    assert bench.health.reason == "topic 't' has no leader for partition 0"
    bench.broker.frozen, bench.broker.without_leader = False, {}
    bench.steps()
    assert bench.arrived == [1, 2]
    assert bench.broker.openings == 1


def test_what_is_recorded_long_after_another_record_began_to_wait_is_sent_too(
    bench: Bench,
) -> None:
    bench.broker.frozen = True
    bench.write(b"a")
    bench.steps(100, seconds=1.0)
    with capture_logs() as logs:
        for key in (b"b", b"c"):
            bench.write(key)
            bench.steps(100, seconds=1.0)
    assert [record.id for record in bench.broker.sent] == [1, 2, 3]
    assert "outbox row 1" in str(bench.health.reason)
    assert logs == []
    bench.broker.frozen = False
    bench.steps()
    assert bench.arrived == [1, 2, 3]
    assert bench.health.reason is None


def test_a_topic_that_is_found_missing_after_records_were_sent_is_held(bench: Bench) -> None:
    bench.broker.frozen = True
    bench.write(b"a", b"b")
    bench.steps(3)
    bench.broker.missing = {"t": "topic 't' does not exist"}
    bench.steps(20, seconds=1.0)
    assert bench.health.parked == ["topic 't', from outbox row 1"]
    bench.broker.frozen, bench.broker.missing = False, {}
    bench.steps(100)
    assert bench.arrived == [1, 2]


def test_a_stall_is_told_before_kafka_is_asked_for_its_reason(bench: Bench) -> None:
    bench.write(b"a")
    bench.broker.frozen = True
    bench.steps(3, seconds=0.0)
    seen = list[str | None]()
    bench.broker.forget_topics = lambda: seen.append(bench.health.reason)  # type: ignore[method-assign]
    bench.steps(3, seconds=6.0)
    assert "does not acknowledge outbox row 1" in str(seen[0])


def test_a_stop_asks_nothing_about_topics(bench: Bench) -> None:
    bench.write(b"a", b"b")
    bench.broker.acknowledge_upto = 1
    bench.steps(3, seconds=0.0)
    bench.now += 60.0
    bench.broker.unavailable = None  # type: ignore[assignment,method-assign]
    stop = Stop()
    stop.set()
    bench.tick = 0.1
    bench.relay.run(stop)
    assert bench.database.position.last_id == 1


def test_a_stop_stores_the_position_before_it_settles(bench: Bench) -> None:
    bench.write(b"a")
    bench.steps(3, seconds=0.0)
    bench.write(b"b")
    bench.broker.frozen = True
    bench.steps(2, seconds=0.0)
    assert bench.database.saves == 0

    def crash(timeout: float) -> None:
        assert bench.database.position.prev.sees(100)
        raise KeyboardInterrupt

    bench.relay._settle = crash  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.stop()
    assert bench.database.saves == 1


def test_what_is_on_its_way_is_settled_while_the_next_page_waits_for_its_topic(
    bench: Bench,
) -> None:
    bench.write(b"a")
    bench.broker.frozen = True
    bench.steps(3)
    bench.write(b"b", topic="typo")
    bench.broker.missing = {"typo": "topic 'typo' does not exist"}
    bench.steps(3)
    bench.broker.frozen = False
    bench.steps(3)
    assert bench.health.acknowledged == 1
    assert bench.database.position.prev.sees(100)
    assert bench.health.parked == ["topic 'typo', from outbox row 2"]


def test_what_is_on_its_way_is_settled_while_kafka_cannot_be_asked(bench: Bench) -> None:
    bench.write(b"a")
    bench.broker.frozen = True
    bench.steps(3)
    bench.write(b"b")
    bench.broker.silence = "no answer"
    bench.steps(3)
    bench.broker.frozen = False
    bench.steps(3)
    assert bench.health.acknowledged == 1
    assert bench.health.reason == "no answer"


def test_a_row_that_is_removed_while_it_waits_for_its_topic_is_not_published(bench: Bench) -> None:
    bench.write(b"a", topic="typo")
    bench.write(b"b")
    bench.broker.missing = {"typo": "topic 'typo' does not exist"}
    bench.steps(5)
    del bench.database.rows[0]
    bench.steps(50)
    assert bench.arrived == [2]
    assert bench.health.reason is None


def outage(record: Record, what: str) -> BrokerUnavailable:
    return BrokerUnavailable(f"row {record.id} {what}")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in `rejected` fail as in an outage, again and again: they are never set aside."""
    monkeypatch.setattr(memory_broker, "_refusal", outage)


def test_a_record_that_fails_each_time_is_named_and_what_is_behind_it_repeats_once(
    bench: Bench, failing: None
) -> None:
    repeats = [3, 4]
    bench.write(*[b"a", b"b", b"c"] * 4)
    bench.broker.rejected = {2}
    bench.steps(200, seconds=1.0)
    assert bench.health.reason == "row 2 is rejected"
    assert bench.arrived == [1, 3, *repeats]
    bench.broker.rejected = set()
    bench.steps(50)
    assert bench.arrived == [1, 3, *repeats, *range(2, 13)]
    assert bench.health.reason is None


def test_nothing_is_behind_a_record_that_fails_while_it_is_tried_again(
    bench: Bench, failing: None
) -> None:
    bench.write(*[b"a", b"b", b"c"] * 4)
    bench.broker.rejected = {2}
    bench.steps(6)
    arrived = bench.arrived
    for _ in range(5):
        bench.broker.frozen = True
        bench.steps(3)
        bench.broker.frozen = False
        bench.steps(1)
    assert bench.arrived == arrived


def test_a_page_that_is_refused_as_a_batch_goes_on_row_by_row_to_its_end(bench: Bench) -> None:
    bench.write(b"a", b"b", b"c", b"d")
    bench.steps(1, seconds=0.0)
    flight = bench.relay._flights[0]
    flight.delivery.error = RecordRejected("row 1 may be refused", first=1, upto=3)  # type: ignore[misc]
    bench.broker.acknowledge_upto = 0
    pages = list[int]()
    for row in (1, 2, 3, 4):
        bench.steps(3)
        pages += [len(flight.page.rows) for flight in bench.relay._flights]
        bench.broker.acknowledge_upto = row
    bench.steps(3)
    assert pages == [1, 1, 1, 1]
    assert bench.arrived == [1, 2, 3, 4]


@pytest.fixture
def waiting(bench: Bench) -> Bench:
    """Row 1 waits for a broker; behind it, in another page, are rows of another topic."""
    bench.broker.frozen = True
    bench.write(b"a", b"k", b"b")
    bench.write(b"k", b"c", topic="picky")
    bench.steps(3)
    assert on_their_way(bench) == [[1, 2, 3], [4, 5]]
    return bench


def on_their_way(bench: Bench) -> list[list[int]]:
    return [[row.id for row in flight.page.rows] for flight in bench.relay._flights]


def interrupt(bench: Bench, cause: Unavailable) -> None:
    """As kafka-python does: what is on its way is dropped because of the last page."""
    flights = list(bench.relay._flights)
    for flight in flights:
        flight.delivery.error = Interrupted("it is dropped")  # type: ignore[misc]
    flights[-1].delivery.error = cause  # type: ignore[misc]
    bench.steps(8)


def test_a_record_that_waits_and_is_dropped_beside_others_is_not_tried_alone(
    waiting: Bench,
) -> None:
    for _ in range(3):
        interrupt(waiting, Interrupted("it is dropped"))
        assert on_their_way(waiting) == [[1, 2, 3], [4, 5]]


def test_a_topic_that_is_forbidden_is_held_though_a_record_before_it_waits(waiting: Bench) -> None:
    interrupt(waiting, TopicForbidden("it is forbidden", topic="picky"))
    assert waiting.health.parked == ["topic 'picky', from outbox row 4"]
    assert on_their_way(waiting) == [[1, 2, 3], []]


def test_a_refusal_behind_a_record_that_waits_is_looked_into_without_it(waiting: Bench) -> None:
    cause = RecordRejected("row 4 may be refused", first=4, upto=5)
    interrupt(waiting, cause)
    assert on_their_way(waiting) == [[1, 2, 3], [4, 5]]
    interrupt(waiting, cause)
    assert waiting.health.parked == ["topic 'picky', from outbox row 4"]
    assert on_their_way(waiting) == [[1, 2, 3], []]
    waiting.broker.rejected, waiting.broker.frozen = {4}, False
    waiting.steps(100)
    assert waiting.health.parked == ["topic 'picky', key b'k', from outbox row 4"]
    assert set(waiting.arrived) == {1, 2, 3, 5}


def test_of_a_key_that_is_parked_behind_a_record_that_waits_nothing_is_left_out(
    bench: Bench,
) -> None:
    bench.broker.frozen = True
    bench.write(b"a", b"k", b"b")
    bench.write(b"k")
    bench.steps(3)
    interrupt(bench, RecordRejected("row 4 is refused", first=4, upto=4))
    assert bench.health.parked == ["topic 't', key b'k', from outbox row 4"]
    bench.broker.frozen = False
    bench.database.requests.append(Request(1, "retry", 1, 4))
    bench.steps(100)
    assert bench.arrived == [1, 3, 2, 4]
    assert bench.health.parked == []


def test_the_waits_for_a_record_that_fails_grow(bench: Bench, failing: None) -> None:
    bench.write(b"a")
    bench.broker.rejected = {1}
    pauses = [bench.relay.step() for _ in range(60)]
    assert max(pauses[:4]) < 0.5
    assert max(pauses[-4:]) > 1.0


def test_behind_a_row_that_was_set_aside_pages_are_whole_again(bench: Bench) -> None:
    bench.write(*[b"a", b"b"] * 10)
    bench.broker.rejected = {1}
    bench.broker.acknowledge_upto = 14
    bench.steps(80, seconds=1.0)
    assert bench.arrived[-1] == 14
    assert bench.health.parked == ["topic 't', key b'a', from outbox row 1"]
    pages = [(f.page.end.last_id, len(f.page.rows)) for f in bench.relay._flights]
    assert pages == [(16, 2), (19, 1), (0, 1)], "of three rows, without those of the key"


def test_the_only_row_is_refused_and_removed(bench: Bench) -> None:
    bench.write(b"a")
    bench.broker.rejected = {1}
    bench.steps(10, seconds=1.0)
    bench.database.rows.clear()
    bench.steps(10)
    assert bench.health.reason is None


def test_a_row_of_which_no_record_can_be_made_is_named_and_what_is_before_it_goes_out(
    bench: Bench,
) -> None:
    bench.write(b"a", b"b", b"c")
    xid, row = bench.database.rows[1]
    bench.database.rows[1] = (xid, row._replace(headers=b'{"actor": 7}'))
    bench.steps(50, seconds=1.0)
    assert bench.arrived == [1, 3]
    (parked,) = bench.database.parked.values()
    assert (parked.row, parked.key) == (2, b"b")
    assert "outbox row 2 for topic 't' cannot be sent" in parked.reason


def test_the_lag_is_measured_as_soon_as_the_database_is_there(bench: Bench) -> None:
    assert bench.health.lag_rows is None
    bench.write(b"a", b"b")
    bench.broker.outage = "no broker answers"
    bench.steps(1)
    assert bench.health.lag_rows == 2


def test_the_lag_is_unknown_while_the_database_is_away(bench: Bench) -> None:
    bench.steps(2)
    assert bench.health.lag_rows == 0
    bench.store.outage = "connection refused"
    bench.steps(2)
    assert bench.health.lag_rows is None
    assert bench.health.lag_seconds is None


def test_another_publisher_that_took_over_ends_this_one(bench: Bench) -> None:
    bench.write(b"a")
    bench.steps(3, seconds=0.0)
    bench.database.epoch += 1
    with pytest.raises(Fenced):
        bench.steps()


def test_after_a_reconnect_the_position_of_whoever_took_over_counts(bench: Bench) -> None:
    bench.write(b"a")
    bench.steps()
    other = Bench(bench.database)
    bench.store.close()
    bench.write(b"b")
    other.steps()
    other.stop()
    bench.steps()
    assert other.arrived == [2]
    assert bench.arrived == [1]


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_pages_on_their_way_are_settled_in_order(pages: int) -> None:
    bench = Bench(pages=pages)
    bench.write(*[b"a"] * 20)
    bench.broker.acknowledge_upto = 4
    bench.steps()
    assert bench.arrived == [1, 2, 3, 4]
    bench.broker.acknowledge_upto = 2**63
    bench.steps()
    assert bench.arrived == list(range(1, 21))


def test_what_is_committed_waits_for_no_small_page_that_is_on_its_way(bench: Bench) -> None:
    bench.broker.frozen = True
    sent = list[int]()
    for _ in range(8):
        bench.write(b"a")
        bench.steps(1, seconds=0.0)
        sent.append(len(bench.broker.sent))
    assert sent == [1, 2, 3, 4, 5, 6, 6, 6], "two pages of three rows"
    bench.broker.frozen = False
    bench.steps()
    assert bench.arrived == list(range(1, 9))


def test_large_rows_end_what_is_on_its_way_before_their_number_does(bench: Bench) -> None:
    bench.broker.frozen = True
    for _ in range(4):
        writer = bench.database.begin()
        writer.record(key=b"a", value=b"x" * 999)
        writer.commit()
        bench.steps(2, seconds=0.0)
    assert len(bench.broker.sent) == 3
    assert sum(flight.bytes for flight in bench.relay._flights) == 2_997


def test_a_publisher_that_stands_by_tries_often_and_says_it_once(bench: Bench) -> None:
    bench.store.holder = "another publisher is active"
    with capture_logs() as logs:
        pauses = [bench.relay.step() for _ in range(50)]
    assert set(pauses) == {TRY_EVERY}
    assert [line["event"] for line in logs] == ["standing by"]
    assert not bench.health.active
    assert bench.health.reason == "another publisher is active"
    assert bench.broker.openings == 0
    bench.write(b"a")
    bench.store.holder = None
    bench.steps()
    assert bench.health.active
    assert bench.arrived == [1]


def test_what_is_on_its_way_is_dropped_as_soon_as_another_publisher_is_active(
    bench: Bench,
) -> None:
    bench.write(b"a", b"b")
    bench.broker.frozen = True
    bench.steps(3, seconds=0.0)
    assert len(bench.broker.sent) == 2
    bench.store.close()
    bench.store.holder = "another publisher is active"
    bench.steps(1)
    assert not bench.broker.is_open
    started = bench.now
    bench.tick = 0.1
    bench.stop()
    assert bench.now - started < 1.0
    assert bench.arrived == []
