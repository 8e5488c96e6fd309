"""What librdkafka's broker makes of the client's answers, where no server can be made to give
them."""

import sys
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from publisher.adapters import librdkafka_transactions
from publisher.adapters.clients import client
from publisher.adapters.librdkafka import Hands, LibrdkafkaBroker, LibrdkafkaDelivery
from publisher.adapters.librdkafka_config import DEFAULTS, config_problems, dotted, for_admin
from publisher.adapters.librdkafka_errors import LastWord, failure, reaching
from publisher.adapters.librdkafka_topics import LibrdkafkaTopics, _state
from publisher.adapters.librdkafka_transactions import LibrdkafkaTransaction
from publisher.errors import (
    BrokerUnavailable,
    ConfigurationInvalid,
    RecordRejected,
    TopicForbidden,
    TopicUnavailable,
)
from publisher.ports import Record

RECORD = Record(7, "shop.orders", b"k", b"{}", [])


class SilentProducer:
    def poll(self, timeout: float) -> None: ...


def on_its_way(*reports: KafkaError | str | None) -> LibrdkafkaDelivery:
    hands = Hands(SilentProducer(), batches=False)  # type: ignore[arg-type]
    delivery = LibrdkafkaDelivery(hands, [RECORD._replace(id=n + 1) for n in range(len(reports))])
    for at, error in enumerate(reports):
        if not isinstance(error, str):
            delivery.report(at, error, None)
    return delivery


def test_what_is_acknowledged_behind_a_gap_does_not_count() -> None:
    delivery = on_its_way(None, "pending", None)
    assert delivery.settle(0.0) == 1
    assert delivery.error is None


def test_a_record_whose_time_is_up_may_have_arrived_and_is_not_taken_for_refused() -> None:
    delivery = on_its_way(None, KafkaError(KafkaError._MSG_TIMED_OUT), None)
    assert delivery.settle(0.0) == 1
    assert isinstance(delivery.error, BrokerUnavailable)
    assert "outbox row 2" in str(delivery.error)


@pytest.mark.parametrize("error", [ValueError("no"), TypeError("no")])
def test_an_end_that_cannot_be_sent_is_no_records_failure(error: Exception) -> None:
    hands = Hands(SilentProducer(), batches=False)  # type: ignore[arg-type]
    page = LibrdkafkaTransaction(hands, [RECORD], permitted=lambda: None)
    page.sent = 1
    page.fail(error)
    assert type(page.error) is BrokerUnavailable
    assert "a transaction failed" in str(page.error)
    assert f"({type(error).__name__}: no)" in str(page.error)


def test_a_record_that_cannot_be_sent_in_a_transaction_is_refused_alone() -> None:
    hands = Hands(SilentProducer(), batches=False)  # type: ignore[arg-type]
    page = LibrdkafkaTransaction(hands, [RECORD, RECORD._replace(id=8)], permitted=lambda: None)
    page.sent = 1
    page.fail(TypeError("no"))
    assert isinstance(page.error, RecordRejected)
    assert (page.error.first, page.error.upto) == (8, 8)


def test_what_a_discarded_producer_says_means_nothing() -> None:
    delivery = on_its_way(None, "pending")
    delivery._hands.are_open = False
    delivery.report(1, KafkaError(KafkaError._PURGE_QUEUE), None)
    assert delivery.settle(0.0) == 0
    assert delivery.error is None


@pytest.mark.parametrize(
    ("code", "kind", "cure"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, RecordRejected, "max.message.bytes or, if"),
        (KafkaError.RECORD_LIST_TOO_LARGE, RecordRejected, "__MESSAGE_MAX_BYTES"),
        (KafkaError.POLICY_VIOLATION, RecordRejected, "policy of the topic"),
        (KafkaError.INVALID_RECORD, RecordRejected, "settings or the policy"),
        (KafkaError._UNKNOWN_TOPIC, TopicUnavailable, "written"),
        (KafkaError._FATAL, BrokerUnavailable, "not acknowledged"),
        (KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, BrokerUnavailable, "not acknowledged"),
    ],
)
def test_a_failure_has_the_cure_of_its_kind(code: int, kind: type[Exception], cure: str) -> None:
    found = failure([RECORD, RECORD._replace(id=9)], KafkaError(code, "it says no"))
    assert type(found) is kind
    assert "outbox row 7 for topic 'shop.orders'" in str(found)
    assert cure in str(found)
    assert ("DELETE FROM outbox_event WHERE id = 7" in str(found)) == (kind is RecordRejected)


def test_a_record_that_a_topic_forbids_is_the_topics_failure() -> None:
    found = failure([RECORD], KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert isinstance(found, TopicForbidden)
    assert found.topic == "shop.orders"
    assert "topic 'shop.orders' is forbidden: grant this user Write and" in str(found)


def test_a_refusal_of_a_batch_may_be_meant_for_any_record_of_the_page() -> None:
    page = [RECORD, RECORD._replace(id=9)]
    for code, upto in ((KafkaError.MSG_SIZE_TOO_LARGE, 7), (KafkaError.INVALID_RECORD, 9)):
        found = failure(page, KafkaError(code))
        assert isinstance(found, RecordRejected)
        assert found.upto == upto


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        (
            KafkaError._TRANSPORT,
            "Connect to 127.0.0.1:1 failed: Connection refused",
            "nothing",
        ),
        (KafkaError._RESOLVE, "Failed to resolve 'kafka.example:9092'", "cannot be resolved"),
        (KafkaError._TRANSPORT, "Disconnected while requesting ApiVersion", "__SECURITY_PROTOCOL"),
        (KafkaError._TIMED_OUT, "1 request(s) timed out", "no answer in time"),
        (KafkaError._SSL, "ssl handshake failed", "__SECURITY_PROTOCOL"),
        (KafkaError._AUTHENTICATION, "SASL authentication error", "refuses the login"),
    ],
)
def test_the_reason_is_what_the_client_told_and_always_has_the_address(
    code: int, text: str, said: str
) -> None:
    last_word = LastWord()
    last_word(KafkaError(code, text))
    last_word(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    raised = KafkaException(KafkaError(KafkaError._TRANSPORT, "Failed to get metadata"))
    with (
        pytest.raises(BrokerUnavailable) as caught,
        reaching("kafka.example:9092", last_word),
    ):
        raise raised
    assert "kafka.example:9092" in str(caught.value)
    assert said in str(caught.value)


def test_what_was_told_before_the_last_success_explains_nothing() -> None:
    last_word = LastWord()
    last_word(KafkaError(KafkaError._AUTHENTICATION, "no"))
    with reaching("kafka:9092", last_word):
        pass
    assert last_word.recent is None


def test_nobody_listening_is_an_outage_that_says_so() -> None:
    for attempt in (
        lambda: LibrdkafkaBroker("127.0.0.1:1").open(),
        lambda: LibrdkafkaTopics("127.0.0.1:1", patience_ms=500).describe(["t"]),
    ):
        with pytest.raises(BrokerUnavailable, match=r"nothing listens there"):
            attempt()


class Topic:
    def __init__(self, *leaders: int, allowed: list[Any] | None = None) -> None:
        self.authorized_operations = allowed
        self.partitions = [Partition(n, leader) for n, leader in enumerate(leaders)]


class Partition:
    def __init__(self, number: int, leader: int) -> None:
        self.id = number
        self.leader = Node(leader) if leader else None


class Node:
    def __init__(self, number: int) -> None:
        self.id = number


def test_a_topic_says_why_it_cannot_be_written() -> None:
    assert "forbidden" in str(_state("t", Topic(1, allowed=["READ"])))
    assert "no leader for partition 1, 2" in str(_state("t", Topic(1, -1, 0)))
    assert _state("t", Topic(1, 1)) == 2


def test_text_becomes_what_the_client_takes() -> None:
    config = {
        "linger_ms": "20",
        "compression_type": "zstd",
        "security_protocol": "sasl_ssl",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": "007",
        "sasl_password": "123456",
    }
    assert config_problems(config) == []
    assert dotted(config)["linger.ms"] == "20"
    assert for_admin(config) == {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "007",
        "sasl.password": "123456",
    }


def test_a_wait_for_kafka_has_no_end() -> None:
    assert DEFAULTS["message.timeout.ms"] == 0


def test_our_own_settings_are_taken_by_producers_and_what_is_left_by_others() -> None:
    assert config_problems({}) == []
    assert set(for_admin({"socket_timeout_ms": "5000", **DEFAULTS})) >= {"socket.timeout.ms"}
    assert "linger.ms" not in for_admin(DEFAULTS)


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("linger_ms", "abc", "Invalid value"),
        ("linger_ms", "-1", "outside allowed range"),
        ("compression_type", "foo", "Invalid value"),
        ("enable_ssl_certificate_verification", "maybe", "bool"),
        ("max_in_flight_requests_per_connection", "6", "max.in.flight"),
        ("ssl_ca_location", "/nope", "ssl.ca.location"),
    ],
)
def test_a_wrong_value_names_its_variable_and_what_the_client_says(
    name: str, value: str, cure: str
) -> None:
    more = {"security_protocol": "SSL"} if name == "ssl_ca_location" else {}
    (problem,) = config_problems({name: value, **more})
    assert f"PUBLISHER_KAFKA_CONFIG__{name.upper()}" in problem
    assert cure in problem


def test_a_name_of_the_other_client_is_refused() -> None:
    (problem,) = config_problems({"sasl_plain_password": "hunter2"})
    assert "librdkafka has no setting 'sasl.plain.password'" in problem


@pytest.mark.parametrize(
    "name",
    [
        "acks",
        "enable_idempotence",
        "message_timeout_ms",
        "delivery_timeout_ms",
        "partitioner",
        "transactional_id",
    ],
)
def test_what_the_guarantees_rest_on_is_refused(name: str) -> None:
    (problem,) = config_problems({name: "1"})
    assert "the guarantees rest on" in problem


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({"sasl_mechanism": "PLAIN"}, "SECURITY_PROTOCOL=SASL_SSL"),
        ({"security_protocol": "SSL", "sasl_password": "x"}, "SECURITY_PROTOCOL=SASL_SSL"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"}, "must be set"),
    ],
)
def test_a_login_that_would_not_be_used_or_cannot_work_is_refused(
    config: dict[str, str], missing: str
) -> None:
    (problem,) = config_problems(config)
    assert missing in problem


def test_no_secret_is_shown() -> None:
    secrets = {"sasl_password": "hunter2", "ssl_key_pem": "hunter2", "acks": "hunter2"}
    assert "hunter2" not in " ".join(config_problems({**secrets, "password": "hunter2"}))


def test_a_client_whose_package_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("publisher.adapters.librdkafka")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(ConfigurationInvalid, match=r"django-outbox-bridge\[librdkafka\]"):
        client("librdkafka")


class JustCreated:
    """A consumer whose brokers do not yet know the topic when it asks for the first times."""

    def __init__(self, answers: list[int]) -> None:
        self.answers = answers

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        if (code := self.answers.pop(0)) != KafkaError.NO_ERROR:
            raise KafkaException(KafkaError(code))
        return 3, 9


def test_a_journal_that_was_just_created_is_asked_for_until_it_is_known() -> None:
    answers = [KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.NO_ERROR]
    consumer = cast("Consumer", JustCreated(answers))
    assert librdkafka_transactions._ends(consumer, "journal") == (3, 9)


def test_a_journal_that_cannot_be_read_is_not_asked_for_again() -> None:
    consumer = JustCreated([KafkaError._TRANSPORT, KafkaError.NO_ERROR])
    with pytest.raises(KafkaException):
        librdkafka_transactions._ends(cast("Consumer", consumer), "journal")
    assert consumer.answers == [KafkaError.NO_ERROR]
