"""The topics that this project declares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from outbox import conf
from outbox.capture import captured_models
from outbox.conf import Kind
from outbox.links import captured_links
from schemas import Change
from schemas.registry import registered


@dataclass(frozen=True, slots=True)
class Declaration:
    """A topic, what travels there, and who says so: a contract of this type, or a setting."""

    name: str
    kind: Kind
    by: str
    type: str | None = None
    captured: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    name: str
    kind: Kind
    partitions: int


def declarations() -> Iterator[Declaration]:
    """Every reason for a topic to exist: what is captured, contracts, OUTBOX_TOPICS."""
    for captured in captured_models():
        by = f"captured model {captured.label}"
        yield Declaration(captured.topic, "state", by, captured.contract.type, captured=True)
    for links in captured_links():
        yield Declaration(links.topic, "events", f"links {links.label}", links.contract.type)
    yield from _of_contracts()
    for name, setting in conf.current().topics.items():
        if setting.kind is not None:
            yield Declaration(name, setting.kind, "setting OUTBOX_TOPICS")


def _of_contracts() -> Iterator[Declaration]:
    """The classes that users wrote, without those that were made for what is captured."""
    contracts = [each.contract for each in captured_models()]
    contracts += (each.contract for each in captured_links())
    made = {(each.type, each.version) for each in contracts}
    for event in registered():
        contract = event.__contract__
        if contract.topic is None or (contract.type, contract.version) in made:
            continue
        kind: Kind = "state" if issubclass(event, Change) else "events"
        by = f"event {event.__module__}.{event.__qualname__}"
        yield Declaration(contract.topic, kind, by, contract.type)


def by_topic() -> dict[str, list[Declaration]]:
    found: defaultdict[str, list[Declaration]] = defaultdict(list)
    for declaration in declarations():
        found[declaration.name].append(declaration)
    return dict(found)


def unused() -> list[str]:
    """Topics of the setting that nothing travels on, and that say nothing of their own kind."""
    return sorted(conf.current().topics.keys() - by_topic().keys())


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
