"""The partitions of keys are those of the client, which are Java's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner

from publisher.adapters.kafka_partitioner import KeyPartitioner


class Cluster:
    """As the client sees it: one topic."""

    def __init__(self, partitions: int) -> None:
        self.partitions = set(range(partitions))

    def topics(self) -> set[str]:
        return {"known"}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.partitions if topic == "known" else None

    available_partitions_for_topic = partitions_for_topic


@given(key=st.binary(), partitions=st.integers(1, 300))
def test_a_key_has_the_partition_that_the_client_itself_would_choose(
    key: bytes, partitions: int
) -> None:
    asked = ("known", key, key, b"{}", b"{}", Cluster(partitions))
    assert KeyPartitioner().partition(*asked) == DefaultPartitioner().partition(*asked)


def test_a_key_moves_when_partitions_are_added() -> None:
    def places(partitions: int) -> list[int]:
        keys = [b"%d" % n for n in range(50)]
        return [
            KeyPartitioner().partition("known", key, key, b"{}", b"{}", Cluster(partitions))
            for key in keys
        ]

    assert set(places(3)) == {0, 1, 2}
    assert set(places(12)) > {0, 1, 2}


def test_without_a_key_or_a_topic_it_is_the_client_itself() -> None:
    asked = (b"{}", b"{}", Cluster(4))
    assert KeyPartitioner().partition("known", None, None, *asked) in range(4)
    with pytest.raises(ValueError, match="unknown"):
        KeyPartitioner().partition("unknown", b"k", b"k", *asked)
