"""The settings, read once from the environment; flags of the command line beat it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from publisher.errors import ConfigurationInvalid

PREFIX = "PUBLISHER_"


def _postgres_url(url: SecretStr) -> SecretStr:
    try:
        parts = conninfo_to_dict(url.get_secret_value())
    except psycopg.ProgrammingError:
        parts = {}
    if not parts:
        raise ValueError("is not a PostgreSQL URL; write postgresql://user:password@host:5432/name")
    return url


def _servers(servers: str) -> str:
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdigit() or "://" in server:
            raise ValueError(
                f"{server!r} is not host:port; write host:9092, or several with commas"
            )
    return servers


def _listener(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("is not host:port; write 127.0.0.1:9464")
    return address


def _scalar(text: object) -> object:
    """A client setting as the client takes it: numbers and booleans out of their text."""
    if not isinstance(text, str):
        return text
    try:
        value = json.loads(text.lower() if text.lower() in {"true", "false"} else text)
    except json.JSONDecodeError:
        return text
    return value if isinstance(value, (bool, int, float)) else text


def _scalars(config: object) -> object:
    if isinstance(config, dict):
        return {name: _scalar(value) for name, value in config.items()}
    return config


class ClientConfig(BaseSettings):
    """The part of the settings that belongs to the Kafka client."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore", hide_input_in_errors=True
    )

    kafka_config: Annotated[dict[str, Any], BeforeValidator(_scalars)] = Field(default_factory=dict)
    """Settings of the client, each as `PUBLISHER_KAFKA_CONFIG__LINGER_MS`."""


class Config(ClientConfig):
    """What one publisher process needs to know."""

    database_url: Annotated[SecretStr, AfterValidator(_postgres_url)]
    """The database of the Django project."""
    kafka_bootstrap_servers: Annotated[str, AfterValidator(_servers)]
    """`host:port`, several with commas."""
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "default"
    """Of the position and its lock: one active process for each name."""
    kafka_client: Literal["kafka-python"] = "kafka-python"
    """The client library."""
    delivery: Literal["at-least-once"] = "at-least-once"
    """What a crash may do: repeat events, never lose one."""
    http: Annotated[str, AfterValidator(_listener)] = "127.0.0.1:9464"
    """Where `/healthz`, `/readyz` and `/metrics` are served."""
    page_rows: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """Rows that are read, and on their way, at once."""
    page_bytes: Annotated[int, Field(ge=1, le=1024**3)] = 8 * 1024 * 1024
    """Bytes of values that are read at once."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or lines for people."""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(str.lower)
    ] = "info"


def load(client_problems: Callable[[Mapping[str, Any]], list[str]], **flags: object) -> Config:
    """Read the settings; flags that are None do not count.

    `client_problems` says what is wrong with the Kafka client's part. Raises
    `ConfigurationInvalid` with a line for every setting that is wrong, and no secret in it.
    """
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    problems = client_problems(ClientConfig().kafka_config)
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
