"""The limit: the publisher's own producer in a loop over records that are ready.

`python -m benchmarks.bare DATABASE_URL BOOTSTRAP_SERVERS` sends every row of an outbox
and prints, in its last line, the processor seconds that sending took.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import closing

from kafka import KafkaProducer

from publisher.adapters.kafka_config import DEFAULTS
from publisher.adapters.postgres import PostgresStore
from publisher.delivery import to_records
from publisher.ports import Limits, Record
from publisher.window import Window


def main(url: str, servers: str) -> None:
    records = list(prepared(url))
    # A million objects that live to the end would slow down each collection of the loop.
    gc.collect()
    gc.freeze()
    producer = KafkaProducer(**{**DEFAULTS, "bootstrap_servers": servers.split(",")})
    start = time.process_time()
    for _, topic, key, value, headers in records:
        producer.send(topic, value, key, headers)
    producer.flush()
    print(time.process_time() - start)
    producer.close()


def prepared(url: str) -> Iterator[Record]:
    """Every record that the publisher would send, with its headers."""
    with closing(PostgresStore(url, name="bare")) as store:
        tenure = store.open()
        window = Window(store, tenure.position, limits=Limits())
        while rows := window.read().rows:
            records, refused = to_records(tenure.source, rows)
            if refused:
                raise refused
            yield from records


if __name__ == "__main__":
    main(*sys.argv[1:])
