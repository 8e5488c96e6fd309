"""Who leads the partitions of topics."""

import time
from collections.abc import Sequence
from contextlib import closing

from kafka import KafkaAdminClient, TopicPartition

PREFERRED = 0
PATIENCE = 60.0


def move_leaders(servers: str, topics: Sequence[str]) -> None:
    """Let the next replica of each partition lead; returns when it does."""
    with closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
        wanted = {at: [*nodes[1:], nodes[0]] for at, (_, nodes) in _placed(admin, topics).items()}
        admin.alter_partition_reassignments(wanted)
        deadline = time.monotonic() + PATIENCE
        while any(led != wanted[at][0] for at, (led, _) in _placed(admin, topics).items()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"leaders of {topics} did not move in {PATIENCE:g} s")
            admin.elect_leaders(PREFERRED, list(topics), raise_errors=False)
            time.sleep(0.1)


def _placed(
    admin: KafkaAdminClient, topics: Sequence[str]
) -> dict[TopicPartition, tuple[int, list[int]]]:
    """The leader and the replicas of each partition."""
    return {
        TopicPartition(topic["name"], each["partition_index"]): (
            each["leader_id"],
            each["replica_nodes"],
        )
        for topic in admin.describe_topics(list(topics))
        for each in topic["partitions"]
    }
