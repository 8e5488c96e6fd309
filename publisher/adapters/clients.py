"""The two client libraries of Kafka, chosen by name; one that is not chosen is not imported."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from publisher.adapters.journal import Journal
from publisher.errors import ConfigurationInvalid
from publisher.ports import Broker, Topic, TopicSettings

CLIENTS = ("kafka-python", "librdkafka")


class Topics(Protocol):
    """The topics of a cluster."""

    def describe(self, names: Collection[str]) -> dict[str, int | str]: ...

    def settings(self, name: str) -> TopicSettings: ...

    def limits(self, names: Collection[str]) -> dict[str, int]: ...

    def create(self, topics: Sequence[Topic], replication_factor: int = -1) -> dict[str, str]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Client:
    """What a library offers, each given `host:port,...` and its own settings.

    A broker delivers at least once, `transactions` exactly once.
    """

    name: str
    broker: Callable[[str, Mapping[str, Any]], Broker]
    transactions: Callable[[str, Mapping[str, Any], Journal], Broker]
    topics: Callable[[str, Mapping[str, Any]], Topics]
    config_problems: Callable[[Mapping[str, Any]], list[str]]


def client(name: str) -> Client:
    """The client of that name. Raises `ConfigurationInvalid` where its extra is missing."""
    return _librdkafka() if name == "librdkafka" else _kafka_python()


def client_problems(name: str, config: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the settings of the client of that name."""
    return client(name).config_problems(config)


def _kafka_python() -> Client:
    from publisher.adapters.kafka_config import config_problems
    from publisher.adapters.kafka_python import KafkaPythonBroker
    from publisher.adapters.kafka_python_transactions import KafkaPythonTransactions
    from publisher.adapters.kafka_topics import KafkaTopics

    return Client(
        "kafka-python", KafkaPythonBroker, KafkaPythonTransactions, KafkaTopics, config_problems
    )


def _librdkafka() -> Client:
    try:
        from publisher.adapters.librdkafka import LibrdkafkaBroker
        from publisher.adapters.librdkafka_config import config_problems
        from publisher.adapters.librdkafka_topics import LibrdkafkaTopics
        from publisher.adapters.librdkafka_transactions import LibrdkafkaTransactions
    except ModuleNotFoundError as exc:
        raise ConfigurationInvalid(
            f"PUBLISHER_KAFKA_CLIENT=librdkafka needs the package {exc.name!r}: "
            "pip install 'django-outbox-bridge[librdkafka]', or use kafka-python"
        ) from exc
    return Client(
        "librdkafka", LibrdkafkaBroker, LibrdkafkaTransactions, LibrdkafkaTopics, config_problems
    )
