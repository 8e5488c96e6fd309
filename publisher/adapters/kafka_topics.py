"""The topics of a cluster: whether they can be written, and creating those that are missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaAdminClient
from kafka import errors as kafka
from kafka.admin import ConfigResource, ConfigResourceType

from publisher.adapters import reasons
from publisher.adapters.kafka_config import Config, converted
from publisher.adapters.kafka_errors import constructing, reaching
from publisher.adapters.reasons import CREATED, EXISTS
from publisher.ports import Topic, TopicSettings

_LIMIT = "max.message.bytes"
_POLICY, _IN_SYNC = "cleanup.policy", "min.insync.replicas"
_REPLICAS = "default.replication.factor"


class KafkaTopics:
    """Looks topics up and creates them, through kafka-python's admin client.

    `patience_ms` bounds every question, and every connection for one.
    """

    def __init__(
        self, bootstrap_servers: str, config: Config | None = None, *, patience_ms: int = 10_000
    ) -> None:
        self._servers = bootstrap_servers
        with reaching(bootstrap_servers), constructing(config or {}) as make:
            self._admin = KafkaAdminClient(
                **_settings(bootstrap_servers, config or {}, patience_ms, make)
            )

    def describe(self, names: Collection[str]) -> dict[str, int | str]:
        """The number of partitions of each topic, or the reason why it cannot be written."""
        with reaching(self._servers):
            found = {topic["name"]: topic for topic in self._admin.describe_topics(list(names))}
        return {name: _state(name, found.get(name)) for name in names}

    def limits(self, names: Collection[str]) -> dict[str, int]:
        """The `max.message.bytes` of these topics, in bytes; of those that this user may not
        describe, nothing."""
        wanted = [ConfigResource(ConfigResourceType.TOPIC, name, {_LIMIT: None}) for name in names]
        with suppress(kafka.KafkaError):
            found = self._admin.describe_configs(wanted, config_filter="all").get("topic", {})
            return {name: int(set_[_LIMIT]["value"]) for name, set_ in found.items() if set_}
        return {}

    def settings(self, name: str) -> TopicSettings:
        """How Kafka keeps a topic that exists."""
        with reaching(self._servers):
            (topic,) = self._admin.describe_topics([name])
            replicas = [partition["replica_nodes"] for partition in topic["partitions"]]
            node = replicas[0][0]
        own = self._configs(ConfigResourceType.TOPIC, name, _POLICY, _IN_SYNC)
        usual = self._configs(ConfigResourceType.BROKER, str(node), _REPLICAS)
        return TopicSettings(
            replicas=min(map(len, replicas)),
            usual_replicas=_number(usual.get(_REPLICAS)),
            cleanup_policy=own.get(_POLICY),
            min_insync_replicas=_number(own.get(_IN_SYNC)),
        )

    def _configs(self, kind: ConfigResourceType, name: str, *wanted: str) -> dict[str, str]:
        """These settings; none that this user may not describe."""
        resource = ConfigResource(kind, name, dict.fromkeys(wanted))
        with suppress(kafka.KafkaError):
            found = self._admin.describe_configs([resource], config_filter="all")
            settings = found.get(kind.name.lower(), {}).get(name, {})
            return {each: str(settings[each]["value"]) for each in wanted if each in settings}
        return {}

    def create(self, topics: Sequence[Topic], replication_factor: int = -1) -> dict[str, str]:
        """Create topics one by one: `state` compacted, `events` with the cluster's retention.

        Returns for each name `CREATED`, `EXISTS`, or why it could not be created.
        """
        with reaching(self._servers):
            done = {topic.name: self._create(topic, replication_factor) for topic in topics}
            self._admin.wait_for_topics([name for name, what in done.items() if what == CREATED])
        return done

    def _create(self, topic: Topic, replication_factor: int) -> str:
        wanted = {topic.name: _options(topic, replication_factor)}
        (answer,) = self._admin.create_topics(wanted, raise_errors=False)["topics"]
        error = kafka.for_code(answer["error_code"])
        if error is kafka.NoError:
            return CREATED
        if error is kafka.TopicAlreadyExistsError:
            return EXISTS
        return reasons.not_created(topic.name, _refusal(error, answer))

    def close(self) -> None:
        """Let go of the connections."""
        with suppress(kafka.KafkaError):
            self._admin.close()


def _settings(servers: str, config: Config, patience_ms: int, make: Any) -> dict[str, Any]:
    known = KafkaAdminClient.DEFAULT_CONFIG
    given = {"bootstrap_timeout_ms": 3_000, **converted(config)}
    asked = int(given.get("request_timeout_ms", patience_ms))

    def connect(**settings: Any) -> Any:
        # The admin client does not pass this one on, and would wait 10 s for each connection.
        return make(socket_connection_setup_timeout_ms=patience_ms, **settings)

    return {
        **{name: value for name, value in given.items() if name in known},
        "request_timeout_ms": min(patience_ms, asked),
        "bootstrap_servers": servers.split(","),
        "kafka_client": connect,
    }


def _options(topic: Topic, replication_factor: int) -> dict[str, object]:
    return {
        "num_partitions": topic.partitions,
        "replication_factor": replication_factor,
        "configs": {"cleanup.policy": "compact"} if topic.kind == "state" else {},
    }


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)


def _refusal(error: Any, answer: Mapping[str, Any]) -> str:
    said = answer.get("error_message") or error.__name__
    if error is kafka.InvalidTopicError:
        return f"{said} {reasons.CORRECT_NAME}"
    if error in (kafka.TopicAuthorizationFailedError, kafka.ClusterAuthorizationFailedError):
        return f"{said} {reasons.GRANT_CREATE}"
    if error is kafka.InvalidReplicationFactorError:
        return f"{said} {reasons.LOWER_REPLICATION}"
    return f"{error.__name__}: {said}"


def _state(name: str, topic: Mapping[str, Any] | None) -> int | str:
    code = topic["error_code"] if topic else kafka.UnknownTopicOrPartitionError.errno
    if topic is None or code:
        return _trouble(name, kafka.for_code(code))
    # Brokers without an authorizer allow everything; some give no list at all.
    allowed = topic.get("authorized_operations")
    if allowed and "WRITE" not in allowed:
        return _trouble(name, kafka.TopicAuthorizationFailedError)
    leaderless = [p["partition_index"] for p in topic["partitions"] if p["leader_id"] < 0]
    if leaderless:
        return reasons.topic_leaderless(name, leaderless)
    return len(topic["partitions"])


def _trouble(name: str, error: Any) -> str:
    if error is kafka.UnknownTopicOrPartitionError:
        return reasons.topic_unknown(name)
    if error is kafka.TopicAuthorizationFailedError:
        return reasons.topic_forbidden(name)
    if error is kafka.InvalidTopicError:
        return reasons.topic_misnamed(name)
    return reasons.topic_broken(name, error.__name__)
