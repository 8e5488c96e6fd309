"""The partition of a key, as Java's client chooses it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kafka.partitioner import DefaultPartitioner
from kafka.partitioner.default import murmur2

_KEYS = 10_000
"""Whose hashes are kept: some keys have most of the events."""

_hash = lru_cache(_KEYS)(murmur2)


class KeyPartitioner(DefaultPartitioner):  # type: ignore[misc]  # the client has no types
    """kafka-python's own, which hashes a key and sorts all partitions for each record anew."""

    def partition(
        self,
        topic: str,
        key: Any,
        serialized_key: bytes | None,
        value: Any,
        serialized_value: bytes | None,
        cluster: Any,
    ) -> int:
        partitions = cluster.partitions_for_topic(topic)
        if serialized_key is None or not partitions:
            chosen: int = super().partition(
                topic, key, serialized_key, value, serialized_value, cluster
            )
            return chosen
        hashed: int = _hash(serialized_key) & 0x7FFFFFFF
        return hashed % len(partitions)
