"""The topics that this project declares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from outbox import conf
from outbox.capture import captured_models
from outbox.conf import Kind
from schemas import Change
from schemas.registry import registered


@dataclass(frozen=True, slots=True)
class Declaration:
    """A topic, what travels there, and who says so."""

    name: str
    kind: Kind
    by: str
    captured: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    name: str
    kind: Kind
    partitions: int


def declarations() -> Iterator[Declaration]:
    """Every reason for a topic to exist: captured models, domain events, OUTBOX_TOPICS."""
    for captured in captured_models():
        yield Declaration(
            captured.topic, "state", f"captured model {captured.label}", captured=True
        )
    for event in registered():
        topic = event.__contract__.topic
        if topic is not None and not issubclass(event, Change):
            yield Declaration(topic, "events", f"event {event.__module__}.{event.__qualname__}")
    for name, setting in conf.current().topics.items():
        if setting.kind is not None:
            yield Declaration(name, setting.kind, "setting OUTBOX_TOPICS")


def by_topic() -> dict[str, list[Declaration]]:
    found: defaultdict[str, list[Declaration]] = defaultdict(list)
    for declaration in declarations():
        found[declaration.name].append(declaration)
    return dict(found)


def declared() -> list[Declared]:
    """Each topic once, by name; where declarations disagree, the first counts (see the checks)."""
    settings = conf.current()
    kinds: dict[str, Kind] = dict.fromkeys(settings.topics, "events")
    kinds |= {name: found[0].kind for name, found in by_topic().items()}
    return [
        Declared(name, kind, _partitions(settings, name)) for name, kind in sorted(kinds.items())
    ]


def _partitions(settings: conf.Settings, name: str) -> int:
    topic = settings.topics.get(name)
    return (topic and topic.partitions) or settings.topic_partitions
