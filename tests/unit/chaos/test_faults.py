"""A fault that did not happen as it should ends the run, and counts as none."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import pytest

from tests.acceptance.stress.ledger import Change
from tests.chaos import leaders
from tests.chaos.faults import topic_recreated
from tests.chaos.leaders import move_leaders
from tests.chaos.plan import Fault, Kind

FAULT = Fault(Kind.TOPIC_RECREATED, 0, 0, 0)
CHANGE = Change(1, 1, UUID(int=1))


def test_a_topic_of_which_not_all_was_read_is_not_deleted() -> None:
    topic = MagicMock(name="topic")
    topic.name, topic.reader.changes = "side.1", set()
    topic.without_writers = nullcontext
    site: Any = SimpleNamespace(
        side=topic, committed=lambda topic: {CHANGE}, until=lambda true, timeout: true()
    )
    with (
        pytest.raises(TimeoutError, match=r"1 events are not on side\.1"),
        topic_recreated(site, FAULT),
    ):
        pass
    topic.delete.assert_not_called()


class Admin:
    """Of a cluster whose leaders move when they are asked so often."""

    def __init__(self, after: int) -> None:
        self._left, self._nodes = after, [1, 2, 3]

    def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        leader = 1 if self._left else 2
        partition = {"partition_index": 0, "leader_id": leader, "replica_nodes": self._nodes}
        return [{"name": topic, "partitions": [partition]} for topic in topics]

    def alter_partition_reassignments(self, wanted: dict[Any, list[int]]) -> None:
        assert list(wanted.values()) == [[2, 3, 1]] * 2

    def elect_leaders(self, *_: object, **__: object) -> None:
        self._left -= 1

    def close(self) -> None: ...


def test_leaders_that_move_at_last_have_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaders, "KafkaAdminClient", lambda **_: Admin(after=2))
    move_leaders("anywhere", ["main", "journal"])


def test_leaders_that_do_not_move_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaders, "KafkaAdminClient", lambda **_: Admin(after=10**6))
    monkeypatch.setattr(leaders, "PATIENCE", 0.0)
    with pytest.raises(TimeoutError, match=r"\['main', 'journal'\] did not move"):
        move_leaders("anywhere", ["main", "journal"])
