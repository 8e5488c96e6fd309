"""The settings of librdkafka: what we choose, what users may choose, and what is wrong with it.

Its names have dots where environment variables have underscores:
`PUBLISHER_KAFKA_CONFIG__LINGER_MS=5` is `linger.ms`. The client itself says what is wrong, before
it connects anywhere.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaException, Producer

from publisher.adapters.kafka_config import unused_login
from publisher.adapters.reasons import variable

Config = Mapping[str, Any]

SETUP_MS = 5_000
"""For a connection. For one that does not fit the queue of a broker that stands still, the system
asks more and more seldom: a new attempt comes sooner once the broker wakes."""

DEFAULTS: Config = {
    "acks": "all",
    "enable.idempotence": True,
    # Behind a record that Kafka refuses, nothing of its partition may arrive.
    "enable.gapless.guarantee": True,
    "allow.auto.create.topics": False,
    "partitioner": "murmur2_random",
    # A finite time-out would count an outage as a failure of its records.
    "message.timeout.ms": 0,
    "message.max.bytes": 1_048_576,
    # Pages bound what is on its way.
    "queue.buffering.max.messages": 0,
    "queue.buffering.max.kbytes": 2_147_483_647,
    "linger.ms": 1,
    "socket.timeout.ms": 15_000,
    "retry.backoff.ms": 20,
    "reconnect.backoff.max.ms": 1_000,
    "socket.connection.setup.timeout.ms": SETUP_MS,
    "topic.metadata.propagation.max.ms": 1_000,
    "log.connection.close": False,
}
"""Producer settings; `PUBLISHER_KAFKA_CONFIG__*` overrides those that are no promise."""

TRANSACTIONS: Config = {
    "transaction.timeout.ms": 30_000,
    # A transaction fails whole: its commit tells of what arrived.
    "delivery.report.only.error": True,
    # Librdkafka takes the time-out of the transaction, which it must not exceed.
    "message.timeout.ms": None,
    "enable.gapless.guarantee": None,
}
"""What is different exactly once; None: the client's own. Readers wait for a transaction whose
publisher is gone for the time-out, unless another publisher takes over."""

PROMISES = frozenset(
    {
        "acks",
        "allow.auto.create.topics",
        "bootstrap.servers",
        "delivery.report.only.error",
        "delivery.timeout.ms",
        "enable.gapless.guarantee",
        "enable.idempotence",
        "message.send.max.retries",
        "message.timeout.ms",
        "metadata.broker.list",
        "partitioner",
        "queue.buffering.max.kbytes",
        "queue.buffering.max.messages",
        "request.required.acks",
        "retries",
        "transactional.id",
    }
)
"""Settings that the guarantees rest on."""

_OF_PRODUCERS = re.compile(
    r"acks|batch\.|compression\.|delivery\.|enable\.(idempotence|gapless)|linger\.|message\.timeout"
    r"|partitioner|queue\.buffering\.|request\.(required|timeout)|retr(ies|y)|sticky\."
    r"|transaction|message\.send"
)
_OF_CONSUMERS = re.compile(
    r"auto\.|enable\.auto|fetch\.|group\.|heartbeat\.|max\.poll|message\.|queued\.|receive\.message"
    r"|session\."
)
_SECRET = re.compile(r"username|password|secret|pem|oauthbearer")
_SILENT = logging.getLogger("kafka.librdkafka.checking")
_SILENT.propagate = False
_SILENT.addHandler(logging.NullHandler())


def dotted(config: Config) -> dict[str, Any]:
    """The settings by librdkafka's own names."""
    return {name.replace("_", "."): value for name, value in config.items()}


def for_admin(config: Config) -> dict[str, Any]:
    """Those of the settings that are not of producers alone."""
    return {name: value for name, value in dotted(config).items() if not _OF_PRODUCERS.match(name)}


def for_consumer(config: Config) -> dict[str, Any]:
    """Those of the settings that tell how to reach Kafka: a producer takes those of consumers too,
    and does not see that some of them do not fit together."""
    return {
        name: value for name, value in for_admin(config).items() if not _OF_CONSUMERS.match(name)
    }


def config_problems(config: Config) -> list[str]:
    """Say what is wrong with the client's settings, before any connection."""
    problems = [problem for name in sorted(config) if (problem := _problem(name, config[name]))]
    return problems or list(unused_login(config)) or list(_together(config))


def _problem(name: str, value: object) -> str | None:
    dots = name.replace("_", ".")
    if dots in PROMISES:
        return f"{variable(name)}: the guarantees rest on {dots}, remove this variable"
    complaint = _complaint({dots: value})
    if complaint is None or complaint.startswith("Failed to create"):
        return None  # It may need another setting: all are tried together.
    if complaint.startswith("No such configuration property"):
        return f"{variable(name)}: librdkafka has no setting {dots!r}, correct the name"
    shown = "" if _SECRET.search(dots) else f"={value!r}"
    return f"{variable(name)}{shown}: {complaint}"


def _together(config: Config) -> Iterator[str]:
    complaint = _complaint({**DEFAULTS, **dotted(config)})
    if complaint is not None:
        named = [name for name in config if name.replace("_", ".") in complaint]
        variables = ", ".join(map(variable, named or sorted(config)))
        yield f"{variables}: {complaint.removeprefix('Failed to create producer: ')}"


def _complaint(settings: Config) -> str | None:
    try:
        producer = Producer({**settings, "logger": _SILENT})
    except KafkaException as exc:
        return str(exc.args[0].str()).strip()
    except (TypeError, ValueError) as exc:
        return str(exc)
    with suppress(KafkaException, RuntimeError):
        producer.close()
    return None
