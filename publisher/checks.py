"""What `outbox-publisher check` looks at: everything that would bite later, in one list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from publisher.ports import Topic

Level = Literal["error", "difference", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something an operator should know; an error stops events, a difference misplaces them."""

    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level}: {self.text}"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the database says of itself."""

    synchronous_commit: str
    id_cache: int | None
    topics: Sequence[Topic]


def findings(inspection: Inspection, states: Mapping[str, int | str]) -> Iterator[Finding]:
    """Compare the database with what its guarantees need, and with the topics in Kafka.

    `states` has the number of partitions of each declared topic, or why it cannot be written.
    """
    if inspection.synchronous_commit == "off":
        yield Finding(
            "warning",
            "synchronous_commit is off: an event may be published whose transaction a crash of "
            "PostgreSQL then forgets; switch it on for the roles that write",
        )
    if inspection.id_cache is None:
        yield Finding("error", "outbox_event.id has no sequence: run `manage.py migrate outbox`")
    elif inspection.id_cache > 1:
        yield Finding(
            "error",
            f"the sequence of outbox_event.id caches {inspection.id_cache} values, which inverts "
            "the order of events: ALTER TABLE outbox_event ALTER COLUMN id SET CACHE 1",
        )
    for topic in inspection.topics:
        yield from _topic_findings(topic, states[topic.name])


def _topic_findings(topic: Topic, state: int | str) -> Iterator[Finding]:
    if isinstance(state, str):
        yield Finding("error", state)
    elif state != topic.partitions:
        yield Finding(
            "difference",
            f"topic {topic.name!r} has {state} partitions, the Django project declares "
            f"{topic.partitions}: adding partitions moves keys, so declare what is there, or sync "
            "consumers into a new topic",
        )
