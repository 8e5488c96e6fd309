"""What compression takes of the drain's speed, and of the log's bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from kafka.admin import KafkaAdminClient

from benchmarks.database import ORDER, outbox_database, record
from benchmarks.drain import Drain, in_turn
from benchmarks.figures import Figure
from benchmarks.log import Log
from benchmarks.modes import Mode, foremost
from benchmarks.stage import Say, stage

CODECS = ("none", "lz4", "zstd")
"""Those that librdkafka brings along; kafka-python would need a package for each."""
EVENTS, REPEATS = 200_000, 5


class Stored(NamedTuple):
    """A drain: events per second, and bytes in the log for each event."""

    rate: float
    bytes: float


def measure(modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Drain orders as JSON with each codec in turns."""
    mode = foremost(modes)
    if mode.client != "librdkafka":
        say(f"compression is left out: {mode} may not have the codecs")
        return []
    with stage("compression", say) as servers, outbox_database(servers.server) as url:
        record(url, servers.log.topic, EVENTS, value=ORDER)
        drain = Drain(url, servers.log, EVENTS)
        runs: dict[str, list[Stored]] = {codec: [] for codec in CODECS}
        for number in range(REPEATS):
            for codec in in_turn(CODECS, number):
                runs[codec].append(_drained(drain, servers.log, mode, codec))
            say(", ".join(f"{codec} {found[-1].rate:,.0f}/s" for codec, found in runs.items()))
    return list(figures(runs))


def _drained(drain: Drain, log: Log, mode: Mode, codec: str) -> Stored:
    before = _log_bytes(log)
    run = drain.ours(mode, settings={"PUBLISHER_KAFKA_CONFIG__COMPRESSION_TYPE": codec})
    return Stored(run.rate, (_log_bytes(log) - before) / run.arrivals.events)


def _log_bytes(log: Log) -> int:
    admin = KafkaAdminClient(bootstrap_servers=log.servers.split(","))
    try:
        return sum(
            partition["partition_size"]
            for broker in admin.describe_log_dirs([log.topic])
            for folder in broker["log_dirs"]
            for topic in folder["topics"]
            for partition in topic["partitions"]
        )
    finally:
        admin.close()


def figures(runs: Mapping[str, Sequence[Stored]]) -> Iterator[Figure]:
    """Each codec beside none, in the same turn."""
    for codec, found in runs.items():
        beside = list(zip(found, runs["none"], strict=True))
        yield Figure(f"compression.{codec}.vs_none", median(a.rate / b.rate for a, b in beside))
        yield Figure(f"compression.{codec}.bytes_per_event", median(a.bytes for a in found))
