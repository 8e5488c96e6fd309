"""The settings of kafka-python: what we choose, what users may choose, and what is wrong with it.

Users' settings come as text, `PUBLISHER_KAFKA_CONFIG__LINGER_MS=5`; the type of the client's own
default says what the text means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, codec

from publisher.adapters.reasons import variable

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

TRANSACTIONS: Config = {"transaction_timeout_ms": 30_000, "retry_backoff_ms": 5}
"""What is different exactly once. Readers wait for a transaction whose publisher is gone so long,
unless another one takes over. At the client's own backoff, 100 ms, an idle commit would wait for
it."""

PROMISES = frozenset(
    {
        "acks",
        "enable_idempotence",
        "delivery_timeout_ms",
        "allow_auto_create_topics",
        "retries",
        "transactional_id",
    }
)
"""Settings that the guarantees rest on."""

_OURS = frozenset({"bootstrap_servers", "key_serializer", "value_serializer", "partitioner"})
_OBJECTS = frozenset(
    {
        "kafka_client",
        "metric_reporters",
        "sasl_kerberos_name",
        "sasl_oauth_token_provider",
        "selector",
        "socket_options",
        "ssl_context",
    }
)
_NUMBERS = frozenset({"receive_buffer_bytes", "send_buffer_bytes"})
_FILES = frozenset({"ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_crlfile"})
_SECRET = frozenset({"sasl_plain_username", "sasl_plain_password", "ssl_password", "proxy_url"})
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "security_protocol": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "sasl_mechanism": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER"),
    "compression_type": ("gzip", "snappy", "lz4", "zstd"),
    "client_dns_lookup": ("use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"),
}
_LEAST: Mapping[str, int] = {
    "max_request_size": 1,
    "request_timeout_ms": 1,
    "max_in_flight_requests_per_connection": 1,
}
_MOST: Mapping[str, int] = {"max_in_flight_requests_per_connection": 5}
_TRUTH = {"true": True, "false": False}
_WITH_LOGIN = ("SASL_PLAINTEXT", "SASL_SSL")
_NEEDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), ("sasl_plain_username", "sasl_plain_password")
    ),
    "OAUTHBEARER": ("sasl_oauth_token_provider",),
}


def converted(config: Config) -> dict[str, Any]:
    """The settings as the client takes them. Raises `ValueError` at the first that is wrong."""
    return {name: _value(name, value) for name, value in config.items()}


def for_consumer(config: Config) -> dict[str, Any]:
    """Those of the settings that consumers have too, for one that lives for a moment.

    A consumer refuses time-outs that do not fit together, which a producer takes.
    """
    known = KafkaConsumer.DEFAULT_CONFIG
    given = {name: value for name, value in converted(config).items() if name in known}
    patience = given.get("request_timeout_ms") or DEFAULTS["request_timeout_ms"]
    return {
        **given,
        "request_timeout_ms": patience,
        "fetch_max_wait_ms": min(known["fetch_max_wait_ms"], patience // 2),
        "connections_max_idle_ms": 2 * patience,
    }


def config_problems(config: Config) -> list[str]:
    """Say what is wrong with the client's settings, before any connection."""
    problems = [*map(_problem, sorted(config), map(config.get, sorted(config)))]
    return [problem for problem in problems if problem] or list(_login_problems(config))


def _problem(name: str, value: object) -> str | None:
    if name in PROMISES or name in _OURS:
        return f"{variable(name)}: the guarantees rest on {name}, remove this variable"
    if name not in KafkaProducer.DEFAULT_CONFIG:
        return f"{variable(name)}: kafka-python has no setting {name!r}, correct the name"
    try:
        _value(name, value)
    except ValueError as exc:
        shown = "" if name in _SECRET else f"={value!r}"
        return f"{variable(name)}{shown}: {exc}"
    return None


def _value(name: str, value: object) -> object:
    if name in _OBJECTS:
        if isinstance(value, str):
            raise ValueError(f"{name} is an object of Python, remove this variable")
        return value
    return _reader(name)(name, value)


def _reader(name: str) -> Callable[[str, object], object]:
    default = KafkaProducer.DEFAULT_CONFIG.get(name)
    if isinstance(default, bool):
        return _flag
    if isinstance(default, (int, float)) or name in _NUMBERS:
        return _number
    if name in _CHOICES:
        return _choice
    return {**dict.fromkeys(_FILES, _file), "api_version": _version}.get(name, _text)


def _flag(name: str, value: object) -> bool:
    text = str(value).lower()
    if text not in _TRUTH:
        raise ValueError("is not a truth value; write true or false")
    return _TRUTH[text]


def _number(name: str, value: object) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise ValueError("is not a whole number; write digits only") from None
    least, most = _LEAST.get(name, 0), _MOST.get(name, number)
    if not least <= number <= most:
        limit = f"at least {least}" if number < least else f"at most {most}"
        raise ValueError(f"is out of range; write a number of {limit}")
    return number


def _choice(name: str, value: object) -> str:
    text, allowed = str(value), _CHOICES[name]
    if text not in allowed:
        raise ValueError(f"is none of {', '.join(allowed)}; write one of them")
    if name == "compression_type" and not getattr(codec, f"has_{text}")():
        raise ValueError(f"the library for {text} is not installed; install it, or write gzip")
    return text


def _file(name: str, value: object) -> str:
    if not Path(str(value)).is_file():
        raise ValueError("there is no such file; write the path of one that this process can read")
    return str(value)


def _version(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    if not all(part.isdigit() for part in value.split(".")):
        raise ValueError("is not a version; write 3.9, or remove this variable to let it find out")
    return tuple(map(int, value.split(".")))


def _text(name: str, value: object) -> str:
    return str(value)


def unused_login(config: Config) -> Iterator[str]:
    """A login that is configured and not used would be found out by nobody but an attacker."""
    given = sorted(name for name in config if name.startswith("sasl_"))
    if given and str(config.get("security_protocol")).upper() not in _WITH_LOGIN:
        yield (
            f"{variable(given[0])} is not used without SASL: set "
            f"{variable('security_protocol')}=SASL_SSL, or remove this variable"
        )


def _login_problems(config: Config) -> Iterator[str]:
    protocol, mechanism = config.get("security_protocol"), config.get("sasl_mechanism")
    yield from unused_login(config)
    if protocol in _WITH_LOGIN and mechanism is None:
        yield f"{variable('sasl_mechanism')} is not set: {protocol} needs it, such as SCRAM-SHA-512"
    for name in _NEEDS.get(str(mechanism), ()) if protocol in _WITH_LOGIN else ():
        if name not in config:
            cure = "choose another mechanism" if name in _OBJECTS else "set it"
            yield f"{variable(name)} is not set: {mechanism} needs it, {cure}"
