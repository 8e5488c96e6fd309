"""The publisher's clients without a publisher: the same producers with the same settings."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Producer
from kafka import KafkaProducer

from publisher.adapters import kafka_config, librdkafka_config
from publisher.adapters.kafka_partitioner import KeyPartitioner


def kafka_python(servers: str, **settings: Any) -> Any:
    """As the publisher makes it at its defaults, but for the `settings`."""
    return KafkaProducer(
        **{
            **kafka_config.DEFAULTS,
            "bootstrap_servers": servers.split(","),
            "partitioner": KeyPartitioner(),
            **settings,
        }
    )


def librdkafka(servers: str, **settings: Any) -> Any:
    """The same of the other client, whose settings are spelt with underscores here."""
    given = librdkafka_config.dotted(settings)
    return Producer({**librdkafka_config.DEFAULTS, "bootstrap.servers": servers, **given})
