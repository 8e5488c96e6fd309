"""The limit: the publisher's own client in a loop over records that are ready.

`python -m benchmarks.bare CLIENT DATABASE_URL BOOTSTRAP_SERVERS` sends every row of an outbox
and prints, in its last line, the processor seconds that sending took.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from confluent_kafka import Producer
from kafka import KafkaProducer

from publisher.adapters import kafka_config, librdkafka_config
from publisher.adapters.postgres import PostgresStore
from publisher.delivery import CloudEvents
from publisher.ports import Limits, Record
from publisher.window import Window

FLUSH_SECONDS = 120


def main(client: str, url: str, servers: str) -> None:
    records = list(prepared(url))
    # A million objects that live to the end would slow down each collection of the loop.
    gc.collect()
    gc.freeze()
    start = time.process_time()
    SEND[client](records, servers)
    print(time.process_time() - start)


def prepared(url: str) -> Iterator[Record]:
    """Every record that the publisher would send, with its headers."""
    with closing(PostgresStore(url, name="bare")) as store:
        tenure = store.open()
        window = Window(store, tenure.position, limits=Limits())
        while rows := window.read().rows:
            yield from CloudEvents(tenure.source, rows)


def kafka_python(records: Sequence[Record], servers: str) -> None:
    producer = KafkaProducer(**{**kafka_config.DEFAULTS, "bootstrap_servers": servers.split(",")})
    for _, topic, key, value, headers in records:
        producer.send(topic, value, key, headers)
    producer.flush()
    producer.close()


def librdkafka(records: Sequence[tuple[Any, ...]], servers: str) -> None:
    """Nobody asks for the outcome of a record here: whether all arrived, the log tells."""
    producer = Producer({**librdkafka_config.DEFAULTS, "bootstrap.servers": servers})
    for _, topic, key, value, headers in records:
        while True:
            try:
                producer.produce(topic, value, key, headers=headers)
                break
            except BufferError:  # its queue is full
                producer.poll(0.01)
    if producer.flush(FLUSH_SECONDS):
        raise TimeoutError(f"records were not acknowledged within {FLUSH_SECONDS} s")


SEND: Mapping[str, Callable[[Sequence[Record], str], None]] = {
    "kafka-python": kafka_python,
    "librdkafka": librdkafka,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
