"""The settings of the Django side, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Literal

from django.conf import settings
from django.core.signals import setting_changed

from outbox.errors import InvalidSetting
from schemas.contract import TOPIC_NAME

Kind = Literal["state", "events"]

URI_REFERENCE = re.compile(r"[^\s\x00-\x1f<>\"{}|\\^`]+")


@dataclass(frozen=True, slots=True)
class DeclaredTopic:
    """A topic of OUTBOX_TOPICS; None: as the contracts on it say, or as the default says."""

    kind: Kind | None = None
    partitions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every field is the setting of the same name in capitals behind `OUTBOX_`."""

    source: str = "urn:django:outbox"
    topics: Mapping[str, DeclaredTopic]
    topic_partitions: int = 12
    max_event_bytes: int = 900_000
    autocommit: Literal["wrap", "require"] = "wrap"
    capture_raw: bool = True
    strict_key_order: bool = False
    tombstones: bool = True
    hash_key: str | None = None


NAMES = frozenset(f"OUTBOX_{field.name.upper()}" for field in fields(Settings))


@lru_cache(maxsize=1)
def current() -> Settings:
    """The settings of this process; InvalidSetting names the first that cannot be used."""
    return Settings(
        source=_source(),
        topics=_topics(),
        topic_partitions=_positive("OUTBOX_TOPIC_PARTITIONS", 12),
        max_event_bytes=_positive("OUTBOX_MAX_EVENT_BYTES", 900_000),
        autocommit=_autocommit(),
        capture_raw=_flag("OUTBOX_CAPTURE_RAW", default=True),
        strict_key_order=_flag("OUTBOX_STRICT_KEY_ORDER", default=False),
        tombstones=_flag("OUTBOX_TOMBSTONES", default=True),
        hash_key=_hash_key(),
    )


def has_source() -> bool:
    return hasattr(settings, "OUTBOX_SOURCE")


def unknown() -> list[str]:
    """Names of settings that look like ours and are not."""
    return sorted(
        name for name in dir(settings) if name.startswith("OUTBOX_") and name not in NAMES
    )


def _source() -> str:
    value = getattr(settings, "OUTBOX_SOURCE", "urn:django:outbox")
    if not isinstance(value, str) or not URI_REFERENCE.fullmatch(value):
        raise InvalidSetting(
            "OUTBOX_SOURCE", value, 'use a URI reference, such as "urn:example:shop" or "/shop"'
        )
    return value


def _positive(name: str, default: int) -> int:
    value = getattr(settings, name, default)
    if not _is_positive(value):
        raise InvalidSetting(name, value, f"use a whole number from 1 on, such as {default}")
    return int(value)


def _flag(name: str, *, default: bool) -> bool:
    value = getattr(settings, name, default)
    if not isinstance(value, bool):
        raise InvalidSetting(name, value, "use True or False")
    return value


def _hash_key() -> str | None:
    value = getattr(settings, "OUTBOX_HASH_KEY", None)
    if value is not None and (not isinstance(value, str) or not value):
        # The value is a secret, however wrong it is.
        raise InvalidSetting("OUTBOX_HASH_KEY", ..., "use a long random text, or leave it out")
    return value


def _autocommit() -> Literal["wrap", "require"]:
    match getattr(settings, "OUTBOX_AUTOCOMMIT", "wrap"):
        case "wrap":
            return "wrap"
        case "require":
            return "require"
        case value:
            raise InvalidSetting("OUTBOX_AUTOCOMMIT", value, 'use "wrap" or "require"')


def _topics() -> dict[str, DeclaredTopic]:
    value = getattr(settings, "OUTBOX_TOPICS", {})
    if not isinstance(value, Mapping):
        raise InvalidSetting(
            "OUTBOX_TOPICS",
            value,
            'use a dictionary such as {"shop.audit": {"kind": "events", "partitions": 6}}',
        )
    return {name: _topic(name, entry) for name, entry in value.items()}


def _topic(name: object, entry: object) -> DeclaredTopic:
    if not isinstance(name, str) or not TOPIC_NAME.fullmatch(name):
        raise InvalidSetting(
            "OUTBOX_TOPICS", name, "name a topic with letters, digits, dots, '_' and '-'"
        )
    setting = f"OUTBOX_TOPICS[{name!r}]"
    if not isinstance(entry, Mapping) or not entry.keys() <= {"kind", "partitions"}:
        raise InvalidSetting(setting, entry, 'use a dictionary of "kind" and "partitions"')
    kind, partitions = entry.get("kind"), entry.get("partitions")
    if kind not in (None, "state", "events"):
        raise InvalidSetting(f"{setting}['kind']", kind, 'use "state" or "events"')
    if partitions is not None and not _is_positive(partitions):
        raise InvalidSetting(f"{setting}['partitions']", partitions, "use a whole number from 1 on")
    return DeclaredTopic(kind=kind, partitions=partitions)


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _forget(*, setting: str, **kwargs: object) -> None:
    if setting.startswith("OUTBOX_"):
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="outbox.conf")
