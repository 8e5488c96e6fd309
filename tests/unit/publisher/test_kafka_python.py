"""What kafka-python's broker makes of the client's answers, where no server can be made to give
them."""

import gc
import logging
import threading
from inspect import isbuiltin
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import errors as kafka
from kafka.future import Future
from kafka.producer.transaction_manager import TransactionManager
from kafka.record import util

from publisher.adapters import kafka_python
from publisher.adapters.journal import Journal
from publisher.adapters.kafka_errors import Aborted, failure, last_word, reaching
from publisher.adapters.kafka_python import KafkaPythonBroker, KafkaPythonDelivery
from publisher.adapters.kafka_python_transactions import (
    KafkaPythonTransaction,
    KafkaPythonTransactions,
)
from publisher.adapters.kafka_topics import KafkaTopics, _state
from publisher.errors import (
    BrokerUnavailable,
    ConfigurationInvalid,
    Interrupted,
    RecordRejected,
    TopicForbidden,
    TopicUnavailable,
)
from publisher.ports import Record

OF_A_BATCH = (
    "Failed to append record because it was part of a batch which had one more more invalid records"
)
RECORD = Record(7, "shop.orders", b"k", b"{}", [])


def on_its_way(*futures: Future) -> KafkaPythonDelivery:
    delivery = KafkaPythonDelivery([RECORD._replace(id=n) for n in range(1, len(futures) + 1)])
    delivery.futures = list(futures)
    return delivery


def done() -> Future:
    return Future().success(None)


class Pending(Future):  # type: ignore[misc]
    def get(self, timeout: float | None = None) -> None:
        raise kafka.KafkaTimeoutError


def test_what_is_acknowledged_behind_a_gap_does_not_count() -> None:
    delivery = on_its_way(done(), Pending(), done())
    assert delivery.settle(0.0) == 1
    assert delivery.error is None


def test_a_record_whose_time_is_up_may_have_arrived_and_is_not_taken_for_refused() -> None:
    delivery = on_its_way(done(), Future().failure(kafka.KafkaTimeoutError("expired")), done())
    assert delivery.settle(0.0) == 1
    assert isinstance(delivery.error, BrokerUnavailable)
    assert "outbox row 2" in str(delivery.error)


def refused() -> Future:
    return Future().failure(kafka.InvalidTimestampError("too old"))


def aborted() -> Future:
    return Future().failure(Aborted("InvalidTimestampError: too old"))


def test_what_is_aborted_because_another_page_is_refused_is_not_refused_itself() -> None:
    delivery = on_its_way(aborted())
    assert delivery.settle(0.0) == 0
    assert isinstance(delivery.error, Interrupted)


def test_of_a_page_what_is_refused_is_named_not_what_is_aborted_before_it() -> None:
    delivery = on_its_way(done(), aborted(), refused(), aborted())
    assert delivery.settle(0.0) == 1
    assert isinstance(delivery.error, RecordRejected)
    assert delivery.error.first == 3


class Ended:
    """The result of a commit that the client calls a success."""

    def wait(self, timeout_ms: float) -> bool:
        return True


@pytest.mark.parametrize(
    "future", [Pending(), Future().failure(kafka.OutOfOrderSequenceNumberError())]
)
def test_a_commit_of_which_a_record_did_not_arrive_is_none(future: Future) -> None:
    page = KafkaPythonTransaction([RECORD, RECORD._replace(id=8)], 30.0)
    page.futures, page.commit = [done(), future, done()], Ended()
    assert page.settle(0.0) == 0
    assert not page.arrived
    assert isinstance(page.error, BrokerUnavailable)


def test_a_commit_of_which_all_arrived_is_one() -> None:
    page = KafkaPythonTransaction([RECORD], 30.0)
    page.futures, page.commit = [done(), done()], Ended()
    assert page.settle(0.0) == 1
    assert page.arrived


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), TypeError("no"), AssertionError("no"), kafka.MessageSizeTooLargeError("no")],
)
def test_an_end_that_cannot_be_sent_is_no_records_failure(error: Exception) -> None:
    for sent in (1, 2):  # the end itself was taken, and the commit was not begun
        page = KafkaPythonTransaction([RECORD], 30.0)
        page.futures = [done() for _ in range(sent)]
        page.fail(error)
        assert type(page.error) is BrokerUnavailable
        assert "a transaction failed" in str(page.error)
        assert f"({type(error).__name__}: no)" in str(page.error)


def test_a_record_that_cannot_be_sent_in_a_transaction_is_refused_alone() -> None:
    page = KafkaPythonTransaction([RECORD, RECORD._replace(id=8)], 30.0)
    page.futures = [done()]
    page.fail(TypeError("no"))
    assert isinstance(page.error, RecordRejected)
    assert (page.error.first, page.error.upto) == (8, 8)


class FakeProducer:
    def __init__(self, **settings: object) -> None:
        self.closed_after = -1.0
        self._transaction_manager = TransactionManager()
        self._accumulator = SimpleNamespace(abort_batches=None)
        self._sender = threading.Thread(target=lambda: None)
        self._sender.start()

    def flush(self, timeout: float | None = None) -> None:
        raise kafka.KafkaTimeoutError("unacknowledged")

    def close(self, timeout: float) -> None:
        self.flush(timeout)
        self.closed_after = timeout


class FakeTopics:
    def close(self) -> None: ...


def test_a_broker_whose_topics_cannot_be_asked_at_the_start_is_closed_and_opens_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producers = list[FakeProducer]()
    answers: list[BrokerUnavailable | FakeTopics] = [BrokerUnavailable("away"), FakeTopics()]

    def producer(**settings: object) -> FakeProducer:
        producers.append(FakeProducer())
        return producers[-1]

    def topics(*args: object, **kwargs: object) -> FakeTopics:
        answer = answers.pop(0)
        if isinstance(answer, BrokerUnavailable):
            raise answer
        return answer

    monkeypatch.setattr(kafka_python, "KafkaProducer", producer)
    monkeypatch.setattr(kafka_python, "KafkaTopics", topics)
    broker = KafkaPythonBroker("kafka:9092")
    with pytest.raises(BrokerUnavailable, match="away"):
        broker.open()
    assert not broker.is_open
    assert producers[0].closed_after == 0.0
    broker.open()
    assert broker.is_open
    broker.close()


def test_an_idle_commit_does_not_wait_for_the_backoff_of_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = dict[str, Any]()

    def producer(**settings: object) -> FakeProducer:
        given.update(settings)
        return FakeProducer()

    monkeypatch.setattr(kafka_python, "KafkaProducer", producer)
    monkeypatch.setattr(kafka_python, "KafkaTopics", lambda *_, **__: FakeTopics())
    broker = KafkaPythonTransactions("kafka:9092", {}, Journal("shop"))
    broker.open()
    broker.close()
    assert given["retry_backoff_ms"] == 5


OPEN_FILES = Path("/proc/self/fd")


def remains() -> tuple[int, int]:
    last_word.forget()
    gc.collect()  # tracebacks hold sockets that did not connect
    return threading.active_count(), len(list(OPEN_FILES.iterdir()))


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="this system has no /proc")
def test_clients_that_cannot_connect_leave_no_thread_and_no_file_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("kafka"), "propagate", False)  # pytest keeps what it sees
    config = {"bootstrap_timeout_ms": "50"}
    before = remains()
    for _ in range(3):
        with pytest.raises(BrokerUnavailable):
            KafkaTopics("127.0.0.1:1", config)
        with pytest.raises(BrokerUnavailable):
            KafkaPythonBroker("127.0.0.1:1", config).open()
    assert remains() == before


def test_what_the_client_does_not_take_names_the_variable() -> None:
    with pytest.raises(ConfigurationInvalid, match="PUBLISHER_KAFKA_CONFIG__CLIENT_DNS_LOOKUP"):
        KafkaPythonBroker("127.0.0.1:1", {"client_dns_lookup": "never"}).open()


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        (kafka.KafkaConnectionError("111 ECONNREFUSED"), "nothing listens there"),
        (kafka.KafkaConnectionError("DNS Resolution failure"), "cannot be resolved"),
        (kafka.KafkaConnectionError("socket disconnected"), "__SECURITY_PROTOCOL"),
        (kafka.KafkaConnectionError("104 ECONNRESET"), "hangs up"),
        (kafka.KafkaConnectionError("[Errno 104] Connection reset by peer"), "hangs up"),
        (kafka.KafkaConnectionError("Handshake failed: [SSL]"), "__SECURITY_PROTOCOL"),
        (kafka.RequestTimedOutError("Request timed out after 1499 ms"), "no answer in time"),
        (kafka.SaslAuthenticationFailedError("Authentication failed"), "__SASL_*"),
    ],
)
@pytest.mark.parametrize(
    "raised",
    [
        kafka.KafkaTimeoutError("Unable to bootstrap"),
        kafka.NodeNotReadyError("No node_id provided"),
    ],
)
def test_the_reason_is_what_the_client_logged_and_always_has_the_address(
    monkeypatch: pytest.MonkeyPatch, logged: Exception, said: str, raised: Exception
) -> None:
    logger = logging.getLogger("kafka.test")
    monkeypatch.setattr(logger, "propagate", False)
    logger.addHandler(last_word)
    try:
        logger.error("%s: Connection lost: %s", "a connection", logged)
        logger.error("Bootstrap failed: %s", kafka.KafkaTimeoutError("Unable to bootstrap"))
        with pytest.raises(BrokerUnavailable) as caught, reaching("kafka.example:9092"):
            raise raised
    finally:
        logger.removeHandler(last_word)
        last_word.forget()
    assert "kafka.example:9092" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "cure"),
    [
        (kafka.MessageSizeTooLargeError(None), RecordRejected, "max.message.bytes or, if"),
        (kafka.RecordListTooLargeError("batch"), RecordRejected, "__MAX_REQUEST_SIZE"),
        (kafka.PolicyViolationError("no"), RecordRejected, "policy of the topic"),
        (kafka.InvalidRecordError("no"), RecordRejected, "settings or the policy"),
        (kafka.KafkaError(OF_A_BATCH), RecordRejected, "settings or the policy"),
        (kafka.KafkaError("for unknown reasons: timed out"), BrokerUnavailable, "not acknowledged"),
        (TypeError("no"), RecordRejected, "correct the row"),
        (kafka.InvalidTopicError("shop.orders"), TopicUnavailable, "written"),
        (kafka.NotLeaderForPartitionError(), BrokerUnavailable, "not acknowledged"),
    ],
)
def test_a_failure_has_the_cure_of_its_kind(
    error: Exception, kind: type[Exception], cure: str
) -> None:
    found = failure([RECORD, RECORD._replace(id=9)], error)
    assert type(found) is kind
    assert "outbox row 7 for topic 'shop.orders'" in str(found)
    assert cure in str(found)
    assert ("DELETE FROM outbox_event WHERE id = 7" in str(found)) == (kind is RecordRejected)
    assert "None" not in str(found)
    assert ("max.message.bytes" in str(found)) == ("TooLarge" in type(error).__name__)


@pytest.mark.parametrize(
    ("named", "topic"),
    [
        ("shop.orders", "shop.orders"),
        ("shop.carts", "shop.carts"),
        (None, "shop.orders"),
        ({"shop.carts"}, "shop.carts"),
    ],
)
def test_a_record_that_a_topic_forbids_is_the_topics_failure(named: object, topic: str) -> None:
    page = [RECORD, RECORD._replace(id=9, topic="shop.carts")]
    found = failure(page, kafka.TopicAuthorizationFailedError(named))
    assert isinstance(found, TopicForbidden)
    assert found.topic == topic
    assert f"topic {topic!r} is forbidden: grant this user Write and" in str(found)


@pytest.mark.parametrize("named", [{"outbox-publisher.default"}, "outbox-publisher.default"])
def test_a_failure_for_the_topic_of_the_position_or_of_another_page_holds_none(
    named: object,
) -> None:
    found = failure([RECORD], kafka.TopicAuthorizationFailedError(named))
    assert type(found) is BrokerUnavailable
    assert "outbox-publisher.default" in str(found)


def test_a_refusal_of_a_batch_may_be_meant_for_any_record_of_the_page() -> None:
    page = [RECORD, RECORD._replace(id=9)]
    for error, upto in ((kafka.MessageSizeTooLargeError(), 7), (kafka.InvalidRecordError(), 9)):
        found = failure(page, error)
        assert isinstance(found, RecordRejected)
        assert found.upto == upto


def topic(**answer: Any) -> dict[str, Any]:
    partitions = [{"partition_index": n, "leader_id": leader} for n, leader in enumerate([1, -1])]
    return {"error_code": 0, "partitions": partitions, **answer}


def test_a_topic_says_why_it_cannot_be_written() -> None:
    assert "does not exist" in str(_state("t", None))
    assert "does not exist" in str(_state("t", topic(error_code=3)))
    assert "forbidden" in str(_state("t", topic(error_code=29)))
    assert "forbidden" in str(_state("t", topic(authorized_operations=["DESCRIBE", "READ"])))
    assert "name that Kafka refuses" in str(_state("t", topic(error_code=17)))
    assert "no leader for partition 1" in str(_state("t", topic()))
    assert "LeaderNotAvailableError" in str(_state("t", topic(error_code=5)))
    assert _state("t", topic(partitions=[{"partition_index": 0, "leader_id": 1}])) == 1


def test_the_checksum_of_a_batch_is_not_computed_in_python() -> None:
    assert isbuiltin(util._crc32c)
    assert util.calc_crc32c(b"123456789") == 0xE3069283
