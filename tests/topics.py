"""Reading a topic to its end, as the truth of what was delivered."""

from collections.abc import Iterable
from typing import Any

from kafka import KafkaConsumer, TopicPartition


def read_topic(bootstrap_servers: str, topic: str, only: Iterable[int] | None = None) -> list[Any]:
    """Every record that a read-committed consumer sees, partition by partition, of all or `only`
    some of them."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        group_id=None,
    )
    try:
        known = consumer.partitions_for_topic(topic) or () if only is None else only
        partitions = [TopicPartition(topic, number) for number in known]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        return list(_until_end(consumer, partitions))
    finally:
        consumer.close()


def _until_end(consumer: Any, partitions: list[TopicPartition]) -> Any:
    ends = consumer.end_offsets(partitions)
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=200).values():
            yield from records
