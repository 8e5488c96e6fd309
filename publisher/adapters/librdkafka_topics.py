"""The topics of a cluster, through librdkafka's admin client."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclOperation,
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from publisher.adapters import reasons
from publisher.adapters.librdkafka_config import SETUP_MS, Config, for_admin
from publisher.adapters.librdkafka_errors import LastWord, reaching, reason
from publisher.adapters.librdkafka_logger import logger
from publisher.adapters.reasons import CREATED, EXISTS
from publisher.ports import Topic, TopicSettings

_OF_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
)

_GLANCE = 0.3
"""Seconds for a question that follows one without an answer."""


class LibrdkafkaTopics:
    """Looks topics up and creates them. `patience_ms` bounds every question."""

    def __init__(
        self, bootstrap_servers: str, config: Config | None = None, *, patience_ms: int = 10_000
    ) -> None:
        self._servers, self._patience = bootstrap_servers, patience_ms / 1000
        self._last_word = LastWord()
        with reaching(bootstrap_servers, self._last_word):
            self._admin = AdminClient(self._settings(config or {}))

    def _settings(self, config: Config) -> dict[str, Any]:
        return {
            "reconnect.backoff.max.ms": 1_000,
            "socket.connection.setup.timeout.ms": SETUP_MS,
            **for_admin(config),
            "bootstrap.servers": self._servers,
            "error_cb": self._last_word,
            "logger": logger,
        }

    def describe(self, names: Collection[str]) -> dict[str, int | str]:
        """The number of partitions of each topic, or the reason why it cannot be written."""
        with reaching(self._servers, self._last_word):
            answers = self._admin.describe_topics(
                TopicCollection(list(names)),
                include_authorized_operations=True,
                request_timeout=self._patience,
            )
            return {name: self._state(name, answers[name]) for name in names}

    def _state(self, name: str, answer: Future[Any]) -> int | str:
        try:
            topic = answer.result()
        except KafkaException as exc:
            self._admin.poll(0)  # what went wrong with the connection
            if exc.args[0].code() not in _OF_TOPIC:
                self._look_for_controller()
                raise
            return _trouble(name, exc.args[0])
        return _state(name, topic)

    def _look_for_controller(self) -> None:
        """The client waits for the controller it knows, also when that broker is gone, and looks
        for another one every five minutes only."""
        with suppress(KafkaException):
            self._admin.list_topics(timeout=_GLANCE)

    def limits(self, names: Collection[str]) -> dict[str, int]:
        """The `max.message.bytes` of these topics, in bytes; of those that this user may not
        describe, nothing."""
        wanted = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = self._admin.describe_configs(wanted, request_timeout=self._patience)
        found: dict[str, int] = {}
        for resource, answer in answers.items():
            with suppress(KafkaException):
                found[resource.name] = int(answer.result()["max.message.bytes"].value)
        return found

    def settings(self, name: str) -> TopicSettings:
        """How Kafka keeps a topic that exists."""
        with reaching(self._servers, self._last_word):
            answers = self._admin.describe_topics(
                TopicCollection([name]), request_timeout=self._patience
            )
            replicas = [partition.replicas for partition in answers[name].result().partitions]
        own = self._configs(ResourceType.TOPIC, name)
        usual = self._configs(ResourceType.BROKER, str(replicas[0][0].id))
        return TopicSettings(
            replicas=min(map(len, replicas)),
            usual_replicas=_number(usual.get("default.replication.factor")),
            cleanup_policy=own.get("cleanup.policy"),
            min_insync_replicas=_number(own.get("min.insync.replicas")),
        )

    def _configs(self, kind: ResourceType, name: str) -> dict[str, str]:
        """All settings; none where this user may not describe them."""
        wanted = [ConfigResource(kind, name)]
        (answer,) = self._admin.describe_configs(wanted, request_timeout=self._patience).values()
        with suppress(KafkaException):
            return {each: str(entry.value) for each, entry in answer.result().items()}
        return {}

    def create(self, topics: Sequence[Topic], replication_factor: int = -1) -> dict[str, str]:
        """Create topics: `state` compacted, `events` with the cluster's retention.

        Returns for each name `CREATED`, `EXISTS`, or why it could not be created.
        """
        wanted = [_new(topic, replication_factor) for topic in topics]
        with reaching(self._servers, self._last_word):
            answers = self._admin.create_topics(wanted, request_timeout=self._patience)
            return {name: _outcome(name, answer) for name, answer in answers.items()}

    def close(self) -> None:
        """Let go of the connections."""
        del self._admin


def _new(topic: Topic, replication_factor: int) -> NewTopic:
    config = {"cleanup.policy": "compact"} if topic.kind == "state" else {}
    return NewTopic(topic.name, topic.partitions, replication_factor, config=config)


def _outcome(name: str, answer: Future[Any]) -> str:
    try:
        answer.result()
    except KafkaException as exc:
        error = exc.args[0]
        if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return EXISTS
        if error.code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT):
            raise
        return reasons.not_created(name, _refusal(error))
    return CREATED


def _refusal(error: KafkaError) -> str:
    cure = {
        KafkaError.TOPIC_EXCEPTION: reasons.CORRECT_NAME,
        KafkaError.TOPIC_AUTHORIZATION_FAILED: reasons.GRANT_CREATE,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: reasons.GRANT_CREATE,
        KafkaError.INVALID_REPLICATION_FACTOR: reasons.LOWER_REPLICATION,
    }.get(error.code(), "")
    return f"{reason(error)} {cure}".strip()


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)


def _state(name: str, topic: Any) -> int | str:
    # Brokers without an authorizer allow everything; some give no list at all.
    allowed = topic.authorized_operations
    if allowed and AclOperation.WRITE not in allowed:
        return reasons.topic_forbidden(name)
    leaderless = [p.id for p in topic.partitions if p.leader is None or p.leader.id < 0]
    if leaderless:
        return reasons.topic_leaderless(name, leaderless)
    return len(topic.partitions)


def _trouble(name: str, error: KafkaError) -> str:
    words = {
        KafkaError.UNKNOWN_TOPIC_OR_PART: reasons.topic_unknown,
        KafkaError.TOPIC_AUTHORIZATION_FAILED: reasons.topic_forbidden,
        KafkaError.TOPIC_EXCEPTION: reasons.topic_misnamed,
    }.get(error.code())
    return words(name) if words else reasons.topic_broken(name, error.name())
