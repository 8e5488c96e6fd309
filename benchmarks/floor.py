"""The floor of latency: a producer alone that sends records at a steady pace.

`python -m benchmarks.floor CLIENT BOOTSTRAP_SERVERS TOPIC RATE EVENTS` prints, in its last line,
a JSON list of the times at which the records 1, 2, ... were given to the client. It does not
linger, whatever the publisher does: else to linger longer would raise the floor, too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from benchmarks import producers
from benchmarks.bare import FLUSH_SECONDS
from benchmarks.database import KEYS, VALUE_BYTES
from publisher.adapters.librdkafka import ANY, NOW
from publisher.delivery import CloudEvents
from publisher.ports import Record, Row
from publisher.service import spare_the_collector

Send = Callable[[Record], object]


def main(client: str, servers: str, topic: str, rate: int, events: int) -> None:
    send, flush = CLIENTS[client](servers)
    spare_the_collector()
    start, times = time.monotonic(), []
    for number in range(1, events + 1):
        ready = record(topic, number)
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        times.append(time.time())
        send(ready)
    flush()
    print(json.dumps(times))


def record(topic: str, number: int) -> Record:
    """A record as the publisher makes it of an event like those that are written."""
    key, value = f"customer-{number % KEYS}", '{"note":"' + "x" * (VALUE_BYTES - 11) + '"}'
    row = Row(
        id=number,
        event_id=str(uuid4()).encode(),
        topic=topic,
        key=key.encode(),
        type="shop.order.placed",
        version=1,
        subject=f"order/{number}".encode(),
        value=value.encode(),
        headers=None,
        time=b"2026-01-01T00:00:00.000000Z",
    )
    [ready] = CloudEvents("urn:benchmark", [row])
    return ready


def _kafka_python(servers: str) -> tuple[Send, Callable[[], object]]:
    producer = producers.kafka_python(servers, linger_ms=0)

    def send(record: Record) -> object:
        return producer.send(record.topic, record.value, record.key, record.headers)

    return send, producer.flush


def _librdkafka(servers: str) -> tuple[Send, Callable[[], object]]:
    producer = producers.librdkafka(servers, linger_ms=0)

    def send(record: Record) -> None:
        _, topic, key, value, headers = record
        producer.produce(topic, value, key, ANY, None, None, NOW, headers)
        producer.poll(0)

    return send, lambda: producer.flush(FLUSH_SECONDS)


CLIENTS: Mapping[str, Callable[[str], tuple[Send, Callable[[], object]]]] = {
    "kafka-python": _kafka_python,
    "librdkafka": _librdkafka,
}


if __name__ == "__main__":
    client, servers, topic, rate, events = sys.argv[1:]
    main(client, servers, topic, int(rate), int(events))
