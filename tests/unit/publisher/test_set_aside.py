"""Keys and topics that are set aside, and how they come back: in order, and nothing is lost."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from publisher.adapters.memory import MemoryDatabase, MemoryStore, Transaction
from publisher.adapters.memory_broker import MemoryBroker, MemoryTransactions
from publisher.errors import StoreUnavailable
from publisher.health import Health
from publisher.ports import Limits, Parked, Request
from publisher.relay import Pace, Relay
from publisher.window import Page

KINDS: dict[str, Callable[[], MemoryBroker]] = {
    "at least once": MemoryBroker,
    "exactly once": MemoryTransactions,
}


class World:
    """A database and a Kafka; publishers come and go."""

    def __init__(self, kind: str, rows: int = 3) -> None:
        self.now, self.rows = 1_000.0, rows
        self.database = MemoryDatabase()
        self.kafka = KINDS[kind]()
        self.late: list[Transaction] = []
        self.start()

    def start(self) -> None:
        """A new process; what the one before it had in memory is gone."""
        self.kafka.close()
        self.health = Health(lambda: self.now)
        self.store = MemoryStore(self.database, keeper="kafka" if self.kafka.atomic else "database")
        self.relay = Relay(
            store=self.store,
            broker=self.kafka,
            health=self.health,
            limits=Limits(rows=self.rows),
            pace=Pace(),
            clock=lambda: self.now,
        )

    def write(self, *keys: bytes, topic: str = "t") -> list[int]:
        writer = self.database.begin()
        ids = [writer.record(key=key, topic=topic) for key in keys]
        writer.commit()
        return ids

    def steps(self, count: int = 60, seconds: float = 0.1) -> None:
        for _ in range(count):
            self.relay.step()
            self.now += seconds

    def ask(self, verb: str, number: int = 1, row: int | None = None) -> Request:
        parked = self.database.parked.get(number)
        row = parked.row if parked and row is None else row or 0
        request = Request(len(self.database.requests) + 1, verb, number, row)
        self.database.requests.append(request)
        return request

    def arrived(self, key: bytes | None = None) -> list[int]:
        """First deliveries; behind a record that Kafka refuses, others may come again."""
        ids = [record.id for record in self.kafka.log if key in (None, record.key)]
        if self.kafka.atomic:
            assert len(ids) == len(set(ids))
        return list(dict.fromkeys(ids))


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_a_record_that_kafka_refuses_sets_its_key_aside_and_others_go_on(world: World) -> None:
    world.kafka.rejected = {2}
    world.write(b"a", b"b", b"c", b"b", b"a")
    world.steps()
    world.write(b"b", b"c")
    world.steps()
    assert sorted(world.arrived()) == [1, 3, 5, 7]
    assert world.health.ready
    assert world.health.parked == ["topic 't', key b'b', from outbox row 2"]
    assert world.health.lag_rows == 0


def test_it_is_told_once(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(b"a", b"b")
    with capture_logs() as logs:
        world.steps()
    told = [line for line in logs if line["event"] == "set aside"]
    assert [(line["number"], line["what"]) for line in told] == [
        (1, "topic 't', key b'a', from outbox row 1")
    ]


def test_a_record_that_cannot_be_sent_is_set_aside_too(world: World) -> None:
    world.kafka.unsendable = {1}
    world.write(b"a", b"b", b"a")
    world.steps()
    assert world.arrived() == [2]


def test_a_retry_brings_the_key_back_in_order_and_releases_it(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(b"a", b"b", b"a")
    world.steps()
    world.kafka.rejected = set()
    request = world.ask("retry")
    world.steps()
    world.write(b"a")
    world.steps()
    assert world.arrived(b"a") == [1, 3, 4]
    assert world.health.parked == []
    assert world.database.outcomes[request] == "published 2 rows; it is set aside no longer"


def test_a_retry_while_others_write_keeps_the_order_of_the_key(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(b"a", *[b"a", b"b"] * 20)
    world.steps()
    world.kafka.rejected = set()
    world.ask("retry")
    for _ in range(80):
        world.write(b"a", b"b")
        world.steps(count=2)
    world.steps()
    assert world.arrived(b"a") == sorted(set(world.arrived(b"a")))
    assert len(world.arrived()) == len(world.database.rows)


def test_a_retry_of_what_is_still_refused_leaves_it_where_it_was(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(b"a", b"a", b"b")
    world.steps()
    request = world.ask("retry")
    world.steps()
    assert world.arrived() == [3]
    assert world.database.outcomes[request].startswith("set aside again at outbox row 1: ")
    assert world.database.parked[1].reason == "row 1 is rejected"
    assert world.health.ready


def test_a_later_record_that_is_refused_sets_the_key_aside_from_there(world: World) -> None:
    world.kafka.rejected = {1, 3}
    world.write(b"a", b"a", b"a", b"a")
    world.steps()
    world.kafka.rejected = {3}
    world.ask("retry")
    world.steps()
    assert world.arrived() == [1, 2]
    assert world.health.parked == ["topic 't', key b'a', from outbox row 3"]
    world.kafka.rejected = set()
    world.ask("retry")
    world.steps()
    assert world.arrived() == [1, 2, 3, 4]


def test_a_skip_gives_the_record_up_and_the_rest_of_the_key_follows(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(b"a", b"a", b"b", b"a")
    world.steps()
    world.ask("skip")
    world.steps()
    assert world.arrived(b"a") == [2, 4]
    assert world.health.parked == []


def test_a_skip_gives_up_no_older_row_that_became_visible_later(world: World) -> None:
    late = world.database.begin()
    late.record(key=b"a")
    world.kafka.rejected = {2}
    world.write(b"a", b"b")
    world.steps()
    late.commit()
    world.steps()
    world.ask("skip")
    world.steps()
    assert world.arrived(b"a") == [1]
    assert world.health.parked == []


def test_two_refused_records_of_a_key_are_skipped_one_after_the_other(world: World) -> None:
    world.kafka.rejected = {1, 2}
    world.write(b"a", b"a", b"b", b"a")
    world.steps()
    world.ask("skip")
    world.steps()
    assert world.health.parked == ["topic 't', key b'a', from outbox row 2"]
    world.ask("skip")
    world.steps()
    assert world.arrived(b"a") == [4]
    assert world.health.parked == []


def test_a_skip_that_is_asked_for_twice_gives_up_one_record(world: World) -> None:
    world.kafka.rejected = {1, 3}
    world.write(b"a", b"a", b"a", b"a")
    world.steps()
    world.ask("skip", row=1)
    second = world.ask("skip", row=1)
    world.steps()
    assert world.arrived() == [2]
    assert world.health.parked == ["topic 't', key b'a', from outbox row 3"]
    assert "outbox row 3 stands first now" in world.database.outcomes[second]


def test_what_was_skipped_does_not_come_back_with_another_process(world: World) -> None:
    world.kafka.rejected = {2}
    world.write(b"b", b"a", b"b")
    world.steps()
    world.ask("skip")
    world.steps()
    world.kafka.rejected = set()
    world.start()
    world.write(b"a")
    world.steps()
    assert world.arrived() == [1, 3, 4]


def test_a_retry_in_which_kafka_cannot_be_asked_forgets_no_row(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(*[b"a"] * 9)
    world.steps()
    world.kafka.rejected = set()
    world.ask("retry")
    for silence in ["no answer", None] * 12:
        world.kafka.silence = silence
        world.steps(3, seconds=0.5)
    world.steps()
    assert world.arrived() == list(range(1, 10))
    assert world.health.parked == []


def test_a_process_that_ends_right_behind_a_release_has_answered_the_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = world.store.release

    def killed_behind(*released: Any) -> None:
        release(*released)
        raise KeyboardInterrupt

    monkeypatch.setattr(world.store, "release", killed_behind)
    world.kafka.rejected = {1}
    world.write(b"a", b"a")
    world.steps()
    world.kafka.rejected = set()
    request = world.ask("retry")
    with pytest.raises(KeyboardInterrupt):
        world.steps()
    world.start()
    world.steps()
    assert world.database.outcomes[request] == "published 2 rows; it is set aside no longer"


@pytest.mark.parametrize("topic", ["t", "typo"])
def test_an_answer_of_the_database_that_is_lost_sets_nothing_aside_twice(
    world: World, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    park = world.store.park

    def answer_lost(parked: Parked) -> Parked:
        park(parked)
        monkeypatch.undo()
        world.store.close()
        raise StoreUnavailable("the connection is gone")

    monkeypatch.setattr(world.store, "park", answer_lost)
    world.kafka.rejected = {1}
    world.kafka.missing = {"typo": "topic 'typo' does not exist"}
    world.write(b"a", b"a", topic=topic)
    world.write(b"b")
    world.steps()
    assert world.arrived() == [3]
    assert len(world.database.parked) == 1
    world.kafka.rejected, world.kafka.missing = set(), {}
    world.ask("retry")
    world.steps()
    assert world.arrived() == [3, 1, 2]


def test_a_page_whose_rows_are_all_set_aside_survives_an_outage_and_a_stall(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(b"a", b"b")
    world.steps()
    for away, frozen in (("away", False), (None, True)):
        world.write(b"a", b"a")
        world.kafka.frozen = True
        world.steps(3)
        world.kafka.frozen, world.kafka.outage = frozen, away
        world.steps(20, seconds=1.0)
        world.kafka.frozen, world.kafka.outage = False, None
        world.steps()
        assert world.health.ready
    world.write(b"b")
    world.steps()
    assert world.arrived() == [2, 7]


def test_a_topic_that_vanishes_again_before_its_retry_reads_loses_no_row_that_came_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"t": "topic 't' does not exist"}
    late = world.database.begin()
    late.record(key=b"z")
    world.kafka.missing = gone
    world.write(b"a")
    world.steps(5)
    late.commit()
    world.steps(5)
    answers = iter([{}, gone])
    with monkeypatch.context() as patched:
        patched.setattr(world.kafka, "unavailable", lambda topics: next(answers, gone))
        world.steps(40, seconds=1.0)
    assert world.health.parked == ["topic 't', from outbox row 2"]
    world.kafka.missing = {}
    world.steps(count=200, seconds=1.0)
    assert world.arrived() == [1, 2]


def test_operators_do_not_wait_for_topics_that_are_held(world: World) -> None:
    world.kafka.missing = {"typo": "topic 'typo' does not exist"}
    world.write(b"a", topic="typo")
    world.kafka.rejected = {2}
    world.write(b"a")
    world.steps(count=600, seconds=1.0)
    world.kafka.rejected = set()
    world.ask("retry", 2)
    world.steps(count=10, seconds=0.5)
    assert world.arrived() == [2]


def test_a_topic_that_stays_away_is_asked_for_more_and_more_seldom(world: World) -> None:
    world.kafka.missing = {"typo": "topic 'typo' does not exist"}
    world.write(b"a", topic="typo")
    world.steps()
    asked: list[float] = []
    unavailable = world.kafka.unavailable

    def noting(topics: Collection[str]) -> Mapping[str, str]:
        asked.append(world.now)
        return unavailable(topics)

    world.kafka.unavailable = noting  # type: ignore[method-assign]
    world.steps(count=600, seconds=1.0)
    assert 8 < len(asked) < 20


def test_a_topic_that_does_not_exist_is_held_and_resumes_by_itself(world: World) -> None:
    world.kafka.missing = {"typo": "topic 'typo' does not exist"}
    world.write(b"a", b"b", topic="typo")
    world.write(b"a", b"b")
    world.steps()
    world.write(b"a", topic="typo")
    world.write(b"c")
    world.steps()
    assert world.arrived() == [3, 4, 6]
    assert world.health.parked == ["topic 'typo', from outbox row 1"]
    assert world.health.ready
    world.kafka.missing = {}
    world.steps(count=200)
    assert world.arrived()[3:] == [1, 2, 5]
    assert world.health.parked == []


def test_of_a_topic_that_comes_back_a_refused_key_alone_stays_behind(world: World) -> None:
    world.kafka.missing = {"t": "topic 't' does not exist"}
    world.write(b"a", b"b", b"a", b"c")
    world.steps()
    world.kafka.missing, world.kafka.rejected = {}, {1}
    world.steps(count=200)
    assert sorted(world.arrived()) == [2, 4]
    assert world.health.parked == ["topic 't', key b'a', from outbox row 1"]
    world.kafka.rejected = set()
    world.ask("retry", 2)
    world.steps()
    assert world.arrived(b"a") == [1, 3]


def test_what_is_set_aside_outlives_the_process(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(b"a", b"b", b"a")
    world.steps()
    world.start()
    world.write(b"a", b"b")
    world.steps()
    assert sorted(set(world.arrived())) == [2, 5]
    world.kafka.rejected = set()
    world.ask("retry")
    world.steps()
    assert world.arrived(b"a") == [1, 3, 4]


@pytest.mark.parametrize("steps", range(1, 16))
def test_a_crash_in_a_retry_loses_nothing_and_exactly_once_repeats_nothing(
    world: World, steps: int
) -> None:
    world.kafka.rejected = {1}
    world.write(*[b"a", b"b"] * 8)
    world.steps()
    world.kafka.rejected = set()
    world.ask("retry")
    world.now += 10
    world.steps(count=steps, seconds=0)
    world.start()
    world.steps()
    assert world.arrived(b"a") == list(range(1, 17, 2))
    assert world.health.parked == []


def test_an_outage_however_long_sets_nothing_aside(world: World) -> None:
    world.write(b"a", b"b")
    world.kafka.outage = "away"
    world.steps(count=2_000, seconds=2.0)
    assert world.health.parked == []
    assert not world.health.ready
    world.kafka.outage = None
    world.steps()
    assert world.arrived() == [1, 2]


@pytest.mark.parametrize(
    ("verb", "number", "outcome"),
    [
        ("retry", 9, "nothing is set aside under number 9"),
        ("skip", 1, "a topic cannot be skipped: mend it, or delete its rows"),
    ],
)
def test_what_cannot_be_done_is_answered(
    world: World, verb: str, number: int, outcome: str
) -> None:
    world.kafka.missing = {"t": "topic 't' does not exist"}
    world.write(b"a")
    world.steps()
    request = world.ask(verb, number)
    world.steps()
    assert world.database.outcomes[request] == outcome


def test_a_topic_that_refuses_what_kafka_said_it_would_take_is_held_and_resumes(
    world: World,
) -> None:
    world.kafka.forbidden = {"u"}
    world.write(b"a", b"b")
    world.write(b"a", b"b", topic="u")
    world.write(b"a", b"b")
    world.steps(count=300)
    world.write(b"a")
    world.write(b"a", topic="u")
    world.steps(count=10)
    assert world.arrived() == [1, 2, 5, 6, 7]
    assert world.health.ready
    assert world.health.parked == ["topic 'u', from outbox row 3"]
    (parked,) = world.database.parked.values()
    assert parked.retries > 1
    world.kafka.forbidden = set()
    world.steps(count=800)
    assert world.arrived() == [1, 2, 5, 6, 7, 3, 4, 8]
    assert world.health.parked == []


def test_a_client_that_does_not_tell_which_topic_is_forbidden_has_no_key_parked_for_it() -> None:
    world = World("exactly once", rows=10)
    assert isinstance(world.kafka, MemoryTransactions)
    world.kafka.vague, world.kafka.forbidden = True, {"u"}
    for topic in "ttututt":
        world.write(b"a", topic=topic)
    world.steps(count=200)
    assert world.arrived() == [1, 2, 4, 6, 7]
    assert world.health.parked == ["topic 'u', from outbox row 3"]
    world.kafka.forbidden = set()
    world.steps(count=400)
    assert world.arrived() == [1, 2, 4, 6, 7, 3, 5]


def test_a_topic_that_is_forbidden_in_the_middle_of_its_page_repeats_nothing_of_its_own(
    world: World,
) -> None:
    world.rows = 10
    world.start()
    world.write(*[b"a"] * 4, topic="u")
    world.steps(count=1)
    world.write(b"a", b"b")
    world.kafka.acknowledge_upto = 2
    world.steps(count=3)
    world.kafka.forbidden, world.kafka.acknowledge_upto = {"u"}, 2**63
    world.steps(count=5)
    world.kafka.forbidden = set()
    world.steps(count=400)
    log = [record.id for record in world.kafka.log if record.topic == "u"]
    assert log == [1, 2, 3, 4]


def test_a_key_of_a_topic_that_is_held_waits_for_the_topic(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(b"a", b"b")
    world.steps()
    world.kafka.missing = {"t": "topic 't' does not exist"}
    world.write(b"c")
    world.steps()
    request = world.ask("retry", 1)
    world.steps()
    assert world.database.outcomes[request] == "the whole topic 't' is held: mend it first"


def test_a_retry_of_a_key_ends_where_its_topic_is_held_meanwhile(world: World) -> None:
    world.kafka.rejected = {1}
    world.write(b"a", b"a")
    world.steps()
    world.kafka.rejected = set()
    world.ask("retry", 1)
    send = world.relay._send

    def missing_for_a_moment(page: Page) -> bool:
        held = any(parked.key is None for parked in world.database.parked.values())
        world.kafka.missing = {} if held else {"t": "topic 't' does not exist"}
        try:
            return send(page)
        finally:
            world.kafka.missing = {}

    world.relay._send = missing_for_a_moment  # type: ignore[method-assign]
    while world.relay._recall.retry is None:
        world.steps(1, 0.001)
    for _ in range(5):
        world.write(b"b", b"a")
        world.steps(1, 0.001)
    world.steps(count=200, seconds=0.5)
    assert world.database.parked.keys() == {1}
    world.ask("retry", 1)
    world.steps(count=200, seconds=0.5)
    assert world.database.parked == {}
    for key in (b"a", b"b"):
        assert world.arrived(key) == [r.id for _, r in world.database.rows if r.key == key]
        assert len(world.arrived(key)) == len([r for r in world.kafka.log if r.key == key])


ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"),
            st.lists(st.tuples(st.sampled_from("tu"), st.sampled_from("abc")), max_size=5),
        ),
        st.tuples(st.just("steps"), st.integers(1, 6)),
        st.tuples(st.just("refuse"), st.sets(st.integers(1, 40), max_size=4)),
        st.tuples(st.just("missing"), st.sets(st.sampled_from("tu"))),
        st.tuples(st.just("outage"), st.booleans()),
        st.tuples(st.just("crash"), st.none()),
        st.tuples(st.just("retry"), st.integers(1, 4)),
        st.tuples(st.just("skip"), st.integers(1, 4)),
        st.tuples(st.just("silence"), st.booleans()),
        st.tuples(st.just("database"), st.booleans()),
        st.tuples(st.just("begin"), st.sampled_from("abc")),
        st.tuples(st.just("commit"), st.none()),
    ),
    max_size=25,
)


def play(world: World, actions: Sequence[tuple[str, Any]]) -> None:
    for what, how in actions:
        DO[what](world, how)


def write(world: World, rows: list[tuple[str, str]]) -> None:
    writer = world.database.begin()
    for topic, key in rows:
        writer.record(topic=topic, key=key.encode())
    writer.commit()


def refuse(world: World, rows: set[int]) -> None:
    world.kafka.rejected = rows


def lose_topics(world: World, topics: set[str]) -> None:
    world.kafka.missing = {topic: f"topic {topic!r} is missing" for topic in topics}


def lose_kafka(world: World, away: bool) -> None:
    world.kafka.outage = "away" if away else None


def silence(world: World, still: bool) -> None:
    world.kafka.silence = "no answer" if still else None


def lose_database(world: World, away: bool) -> None:
    world.store.outage = "away" if away else None


def begin(world: World, key: str) -> None:
    """A transaction that writes the only row of its key so far, and commits later."""
    late = world.database.begin()
    late.record(topic="t", key=f"{key}{len(world.database.rows)}".encode())
    world.late.append(late)


def commit(world: World, _: None) -> None:
    if world.late:
        world.late.pop().commit()


DO: dict[str, Callable[[World, Any], object]] = {
    "write": write,
    "steps": lambda world, count: world.steps(count, seconds=0.5),
    "refuse": refuse,
    "missing": lose_topics,
    "outage": lose_kafka,
    "crash": lambda world, _: world.start(),
    "retry": lambda world, number: world.ask("retry", number),
    "skip": lambda world, number: world.ask("skip", number),
    "silence": silence,
    "database": lose_database,
    "begin": begin,
    "commit": commit,
}


def mend(world: World) -> None:
    """Put everything right, and ask for what is still set aside until nothing is."""
    while world.late:
        commit(world, None)
    world.kafka.silence = world.store.outage = None
    world.kafka.rejected, world.kafka.missing, world.kafka.outage = set(), {}, None
    world.steps(count=300, seconds=0.5)
    for _ in range(20):
        for number in list(world.database.parked):
            world.ask("retry", number)
        world.steps(count=200, seconds=0.5)
        if not world.database.parked:
            return


@settings(max_examples=150)
@given(kind=st.sampled_from(list(KINDS)), actions=ACTIONS)
def test_whatever_happens_all_arrives_and_each_key_in_order(
    kind: str, actions: list[tuple[str, Any]]
) -> None:
    world = World(kind)
    play(world, actions)
    mend(world)
    assert world.database.parked == {}
    given_up = {request.row for request in world.database.requests if request.verb == "skip"}
    assert {row.id for _, row in world.database.rows} - given_up <= set(world.arrived())
    for key in {(record.topic, record.key) for record in world.kafka.log}:
        ids = [r.id for r in world.kafka.log if (r.topic, r.key) == key]
        first = list(dict.fromkeys(ids))
        assert first == sorted(first)
