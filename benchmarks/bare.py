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

from benchmarks import producers
from publisher.adapters.librdkafka import ANY, NOW
from publisher.adapters.postgres import PostgresStore
from publisher.delivery import CloudEvents
from publisher.ports import Limits, Record
from publisher.service import spare_the_collector
from publisher.window import Window

FLUSH_SECONDS = 120


def main(client: str, url: str, servers: str) -> None:
    records = list(prepared(url))
    # What is ready lives to the end: it is not looked at again, as nothing is that a publisher has.
    gc.collect()
    spare_the_collector()
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
    producer = producers.kafka_python(servers)
    for _, topic, key, value, headers in records:
        producer.send(topic, value, key, headers)
    producer.flush()
    producer.close()


def librdkafka(records: Sequence[Record], servers: str) -> None:
    """Nobody asks for the outcome of a record here: whether all arrived, the log tells."""
    producer = producers.librdkafka(servers)
    produce = producer.produce
    for _, topic, key, value, headers in records:
        produce(topic, value, key, ANY, None, None, NOW, headers)
    if producer.flush(FLUSH_SECONDS):
        raise TimeoutError(f"records were not acknowledged within {FLUSH_SECONDS} s")


SEND: Mapping[str, Callable[[Sequence[Record], str], None]] = {
    "kafka-python": kafka_python,
    "librdkafka": librdkafka,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
