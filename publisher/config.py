"""The settings, read once from the environment; flags of the command line beat it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from publisher.environment import PREFIX, unknown_variables
from publisher.errors import ConfigurationInvalid
from publisher.moment import LONGEST, parse_age


def _postgres_url(url: SecretStr) -> SecretStr:
    try:
        parts = conninfo_to_dict(url.get_secret_value())
    except psycopg.ProgrammingError:
        parts = {}
    if not parts:
        raise ValueError("is not a PostgreSQL URL; write postgresql://user:password@host:5432/name")
    # Behind an "@" or "/" of the password, libpq takes the rest of it for something to show.
    if not all(map(_is_host, str(parts.get("host", "")).split(","))):
        raise ValueError(f"its host is neither a name nor an address; {_ENCODE}")
    ports = str(parts.get("port", "")).split(",")
    if not all(not port or _is_port(port) for port in ports):  # libpq has a default for each host
        raise ValueError(f"its port is not a number from 1 to 65535; {_ENCODE}")
    if set(str(parts.get("dbname", ""))) & set("@/:"):
        raise ValueError(f"its database holds @, / or :; {_ENCODE}")
    return url


_ENCODE = "percent-encode the password: @ is %40, / is %2F, : is %3A"


def _is_host(host: str) -> bool:
    socket_folder = host.startswith("/")
    return "@" not in host and (socket_folder or "/" not in host) and not _odd_colon(host)


def _odd_colon(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return ":" in host
    return False


def _is_port(port: str, lowest: int = 1) -> bool:
    return re.fullmatch("[0-9]{1,5}", port) is not None and lowest <= int(port) <= 65535


def _servers(servers: str) -> str:
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not _is_port(port) or "://" in server:
            raise ValueError(
                f"{server!r} is not host:port; write host:9092, or several with commas"
            )
    return servers


def _listener(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not _is_port(port, lowest=0):  # 0 is any that is free
        raise ValueError("is not host:port; write 127.0.0.1:9464")
    return address


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):
        raise ValueError("is not a name; write 1 to 100 letters, digits, dots, dashes, underscores")
    return name


def _duration(value: object) -> object:
    with suppress(OverflowError):
        value = parse_age(value) if isinstance(value, str) else value
    if not isinstance(value, timedelta) or value >= LONGEST:
        raise ValueError("is not a duration; write 90s, 30m, 1h or 7d")
    return value


def _retention(value: object) -> object:
    if value is None or (isinstance(value, str) and value.lower() == "off"):
        return None
    try:
        return _duration(value)
    except ValueError as exc:
        raise ValueError(f"{exc}, or off") from None


def _interval(value: object) -> object:
    value = _duration(value)
    if value == timedelta():
        raise ValueError("is no interval; write 1s or more")
    return value


def _one_by_one(config: object) -> object:
    if not isinstance(config, dict):
        raise ValueError(
            f"settings of the client are given one by one; write {PREFIX}KAFKA_CONFIG__LINGER_MS=5"
        )
    return config


class ClientConfig(BaseSettings):
    """The part of the settings that belongs to the Kafka client."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore", hide_input_in_errors=True
    )

    kafka_client: Literal["kafka-python", "librdkafka"] = "kafka-python"
    """The client library."""
    kafka_config: Annotated[dict[str, str], NoDecode, BeforeValidator(_one_by_one)] = Field(
        default_factory=dict
    )
    """Settings of the client as text, each as `PUBLISHER_KAFKA_CONFIG__LINGER_MS`."""


_ON_TIMELINE_CHANGE = {"at-least-once": "republish", "exactly-once": "stop"}


class Config(ClientConfig):
    """What one publisher process needs to know."""

    database_url: Annotated[SecretStr, AfterValidator(_postgres_url)]
    """The database of the Django project."""
    kafka_bootstrap_servers: Annotated[str, AfterValidator(_servers)]
    """`host:port`, several with commas."""
    name: Annotated[str, AfterValidator(_name)] = "default"
    """Of the position and its lock: one active process for each name."""
    delivery: Literal["at-least-once", "exactly-once"] = "at-least-once"
    """What a crash may do: repeat events, or nothing at all; it never loses one."""
    on_timeline_change: Literal["republish", "stop"] | None = None
    """After a fail-over or a restore: publish a margin again, as at-least-once does unless told
    otherwise, or stop."""
    republish_margin: Annotated[timedelta, BeforeValidator(_duration)] = timedelta(hours=1)
    """How much that is, counted back from when the position was last stored."""
    retention: Annotated[timedelta | None, BeforeValidator(_retention)] = timedelta(days=7)
    """The age from which published rows are removed; None: they stay."""
    prune_every: Annotated[timedelta, BeforeValidator(_interval)] = timedelta(minutes=10)
    """How often the active publisher removes them."""
    wake_up: Literal["notify", "poll"] = "notify"
    """Who ends a rest: a writer, or the publisher itself every few milliseconds."""
    http: Annotated[str, AfterValidator(_listener)] = "127.0.0.1:9464"
    """Where `/healthz`, `/readyz` and `/metrics` are served."""
    page_rows: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """Rows of a page; fewer than two pages' worth may be on their way when another one is sent."""
    page_bytes: Annotated[int, Field(ge=1, le=1024**3)] = 8 * 1024 * 1024
    """Bytes of the values of a page."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or lines for people."""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(str.lower)
    ] = "info"

    @property
    def margin(self) -> timedelta | None:
        """What is published again after a fail-over or a restore; None where that is a stop."""
        wanted = self.on_timeline_change or _ON_TIMELINE_CHANGE[self.delivery]
        return self.republish_margin if wanted == "republish" else None


def load(client_problems: Callable[[str, Mapping[str, Any]], list[str]], **flags: object) -> Config:
    """Read the settings; flags that are None do not count.

    `client_problems` says what is wrong with the settings of the Kafka client of a name. Raises
    `ConfigurationInvalid` with a line for every setting that is wrong, and no secret in it.
    """
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    problems = list(unknown_variables(os.environ, Config.model_fields))
    with suppress(ValidationError):  # `Config` names it
        client = ClientConfig()
        problems += client_problems(client.kafka_client, client.kafka_config)
    try:
        config = Config(**given)
    except ValidationError as exc:
        raise ConfigurationInvalid("\n".join([*map(_problem, exc.errors()), *problems])) from None
    if problems:
        raise ConfigurationInvalid("\n".join(problems))
    return config


_SECRET = {"database_url", "kafka_config"}


def _problem(error: Any) -> str:
    setting = str(error["loc"][0])
    variable = PREFIX + "__".join(map(str, error["loc"])).upper()
    if error["type"] == "missing":
        return f"{variable} is not set: set it, or pass --{setting.replace('_', '-')}"
    reason = error["msg"].removeprefix("Value error, ")
    shown = "" if setting in _SECRET else f"={error['input']!r}"
    return f"{variable}{shown}: {reason}"
