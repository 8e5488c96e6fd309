"""The broker through kafka-python: an idempotent producer that never gives up by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka import errors as kafka

from publisher.errors import (
    BrokerUnavailable,
    ConfigurationInvalid,
    RecordRejected,
    TopicUnavailable,
    Unavailable,
)
from publisher.ports import Record, Topic

Config = Mapping[str, Any]

DEFAULTS: Config = {
    "acks": "all",
    "enable_idempotence": True,
    "allow_auto_create_topics": False,
    # A finite time-out would leave futures that never resolve once the broker is back, and would
    # count an outage as a failure of its records.
    "delivery_timeout_ms": float("inf"),
    "linger_ms": 5,
    "batch_size": 128 * 1024,
    "max_block_ms": 3_000,
    "bootstrap_timeout_ms": 3_000,
    "request_timeout_ms": 15_000,
    "retry_backoff_ms": 20,
    "reconnect_backoff_max_ms": 1_000,
    "metrics_enabled": False,
}
"""Producer settings; `PUBLISHER_KAFKA_CONFIG__*` overrides those that are no promise."""

PROMISES = frozenset(
    {"acks", "enable_idempotence", "delivery_timeout_ms", "allow_auto_create_topics", "retries"}
)
"""Settings that the guarantees rest on."""

_OURS = frozenset({"bootstrap_servers", "key_serializer", "value_serializer", "partitioner"})
_REJECTIONS = (
    kafka.MessageSizeTooLargeError,
    kafka.RecordListTooLargeError,
    kafka.InvalidRecordError,
    kafka.InvalidTimestampError,
    kafka.PolicyViolationError,
)
_NO_TOPIC = (
    kafka.UnknownTopicOrPartitionError,
    kafka.TopicAuthorizationFailedError,
    kafka.InvalidTopicError,
)


def config_problems(config: Config) -> list[str]:
    """Say what is wrong with the client's settings, before any connection."""
    known = KafkaProducer.DEFAULT_CONFIG
    problems = []
    for name in sorted(config):
        variable = f"PUBLISHER_KAFKA_CONFIG__{name.upper()}"
        if name in PROMISES or name in _OURS:
            problems.append(f"{variable}: the guarantees rest on {name}, remove this variable")
        elif name not in known:
            problems.append(f"{variable}: kafka-python has no setting {name!r}, correct the name")
    return problems


class KafkaPythonDelivery:
    """A page in the producer's hands."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.futures: list[Any] = []
        self.error: Unavailable | None = None
        self._behind: Unavailable | None = None
        self._acknowledged = 0

    def stop_at(self, error: Unavailable) -> None:
        """Nothing more of this page is sent; the error counts once the rest is acknowledged."""
        self._behind = error

    @property
    def stopped(self) -> bool:
        return self._behind is not None

    def settle(self, timeout: float) -> int:
        self._count()
        if self.error is None and self._acknowledged < len(self.futures):
            with suppress(kafka.KafkaError):
                self.futures[self._acknowledged].get(timeout)
            self._count()
        return self._acknowledged

    def _count(self) -> None:
        at, futures = self._acknowledged, self.futures
        while at < len(futures) and futures[at].is_done and futures[at].exception is None:
            at += 1
        self._acknowledged = at
        if at == len(futures):
            self.error = self._behind
        elif futures[at].is_done:
            self.error = _failure(self.records[at], futures[at].exception)


class KafkaPythonBroker:
    """A `Broker` on one idempotent producer.

    A producer whose record failed is discarded: a new one starts from the position. What the old
    one had on the wire may arrive again, never in another order.
    """

    def __init__(self, bootstrap_servers: str, config: Config | None = None) -> None:
        self._servers = bootstrap_servers
        self._config = config or {}
        self._producer: Any = None
        self._topics: KafkaTopics | None = None
        self._known: set[str] = set()

    @property
    def is_open(self) -> bool:
        return self._producer is not None

    def open(self) -> None:
        self.close()
        with _reaching(self._servers):
            settings = {**DEFAULTS, **self._config, "bootstrap_servers": self._servers.split(",")}
            self._producer = KafkaProducer(**settings)
            self._topics = KafkaTopics(self._servers, self._config)

    def unavailable(self, topics: Collection[str]) -> Mapping[str, str]:
        asked = set(topics) - self._known
        if not asked:
            return {}
        missing = self._ask(asked)
        self._known |= asked - missing.keys()
        return missing

    def forget_topics(self) -> None:
        self._known.clear()

    def _ask(self, topics: set[str]) -> dict[str, str]:
        if self._topics is None:
            raise BrokerUnavailable("the connection to Kafka is closed")
        return {
            name: state
            for name, state in self._topics.describe(topics).items()
            if isinstance(state, str)
        }

    def send(self, records: Sequence[Record]) -> KafkaPythonDelivery:
        delivery = KafkaPythonDelivery()
        send, futures = self._live.send, delivery.futures
        delivery.records = list(records)
        for record in records:
            _, topic, key, value, headers = record
            try:
                futures.append(send(topic, value, key, headers))
            except (kafka.KafkaError, ValueError, TypeError, AssertionError) as exc:
                delivery.stop_at(_failure(record, exc))
                break
        return delivery

    @property
    def _live(self) -> Any:
        if self._producer is None:
            raise BrokerUnavailable("the connection to Kafka is closed")
        return self._producer

    def close(self, timeout: float = 0.0) -> None:
        producer, self._producer = self._producer, None
        topics, self._topics = self._topics, None
        self._known.clear()
        if producer is not None:
            with suppress(kafka.KafkaError):
                producer.close(timeout)
        if topics is not None:
            topics.close()


class KafkaTopics:
    """Looks topics up and creates them, through kafka-python's admin client."""

    def __init__(self, bootstrap_servers: str, config: Config | None = None) -> None:
        known = KafkaAdminClient.DEFAULT_CONFIG
        wanted = {
            "bootstrap_timeout_ms": 3_000,
            "request_timeout_ms": 10_000,
            **(config or {}),
            "bootstrap_servers": bootstrap_servers.split(","),
        }
        with _reaching(bootstrap_servers):
            self._admin = KafkaAdminClient(**{k: v for k, v in wanted.items() if k in known})

    def describe(self, names: Collection[str]) -> dict[str, int | str]:
        """The number of partitions of each topic, or the reason why it cannot be written."""
        with _reaching("the cluster"):
            found = {topic["name"]: topic for topic in self._admin.describe_topics(list(names))}
        return {name: _state(name, found.get(name)) for name in names}

    def create(self, topics: Sequence[Topic], replication_factor: int = -1) -> None:
        """Create topics: `state` compacted, `events` with the cluster's retention."""
        with _reaching("the cluster"):
            self._admin.create_topics(
                {topic.name: _options(topic, replication_factor) for topic in topics},
                wait_for_metadata=True,
            )

    def close(self) -> None:
        """Let go of the connections."""
        with suppress(kafka.KafkaError):
            self._admin.close()


def _options(topic: Topic, replication_factor: int) -> dict[str, object]:
    return {
        "num_partitions": topic.partitions,
        "replication_factor": replication_factor,
        "configs": {"cleanup.policy": "compact"} if topic.kind == "state" else {},
    }


def _state(name: str, topic: Mapping[str, Any] | None) -> int | str:
    code = topic["error_code"] if topic else kafka.UnknownTopicOrPartitionError.errno
    if not code:
        return len(topic["partitions"]) if topic else 0
    error = kafka.for_code(code)
    if error is kafka.UnknownTopicOrPartitionError:
        return (
            f"topic {name!r} does not exist: create it with `outbox-publisher topics create`, or "
            "correct its name in the Django project"
        )
    if error is kafka.TopicAuthorizationFailedError:
        return f"topic {name!r} is forbidden: grant this user Write and Describe on it"
    return f"topic {name!r} cannot be written: {error.__name__}"


def _failure(record: Record, exc: BaseException) -> Unavailable:
    what = f"outbox row {record.id} for topic {record.topic!r}"
    reason = f"{type(exc).__name__}: {exc}"
    if isinstance(exc, (*_REJECTIONS, ValueError, TypeError, AssertionError)):
        return RecordRejected(
            f"{what} is refused ({reason}): raise the topic's max.message.bytes and "
            "PUBLISHER_KAFKA_CONFIG__MAX_REQUEST_SIZE, or remove the row"
        )
    if isinstance(exc, _NO_TOPIC):
        return TopicUnavailable(f"{what} cannot be written ({reason})")
    return BrokerUnavailable(f"{what} is not acknowledged ({reason})")


@contextmanager
def _reaching(servers: str) -> Iterator[None]:
    try:
        yield
    except kafka.KafkaConfigurationError as exc:
        raise ConfigurationInvalid(f"PUBLISHER_KAFKA_CONFIG: {exc}") from exc
    except (kafka.KafkaError, OSError) as exc:
        reason = str(exc) or type(exc).__name__
        raise BrokerUnavailable(
            f"Kafka cannot be reached at {servers}: {reason}; check "
            "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS"
        ) from exc
