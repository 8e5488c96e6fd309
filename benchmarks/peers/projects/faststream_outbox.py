"""A relay to Kafka as the documentation of faststream-outbox has it, in an environment of its own.

With the word `create` it makes its table.
"""

from __future__ import annotations

import asyncio
import os
import sys

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaResponse
from faststream_outbox import OutboxBroker, make_outbox_table, outbox_autovacuum_ddl
from faststream_outbox.annotations import OutboxMessage
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

WORKERS = int(os.environ["WORKERS"])
BATCH = int(os.environ["BATCH"])

metadata = MetaData()
table = make_outbox_table(metadata, table_name="outbox")
engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    pool_size=WORKERS + 1,  # as its documentation counts them
)
# A line of log for each event would cost more than the event.
broker_outbox = OutboxBroker(engine, outbox_table=table, logger=None)
broker_kafka = KafkaBroker(
    os.environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True, logger=None
)
publisher = broker_kafka.publisher(os.environ["TOPIC"])


subscriber = broker_outbox.subscriber(
    "events",
    max_workers=WORKERS,
    fetch_batch_size=BATCH,
    terminal_flush_batch_size=BATCH,
)


@publisher  # type: ignore[untyped-decorator]  # it is not installed where types are checked
@subscriber  # type: ignore[untyped-decorator]
async def relay(message: OutboxMessage) -> KafkaResponse:
    """Send what is stored, under its key and with its headers."""
    headers = dict(message.headers)
    return KafkaResponse(message.body, key=headers.pop("key").encode(), headers=headers)


app = FastStream(broker_outbox, on_startup=[broker_kafka.connect], logger=None)


async def create() -> None:
    """Make the table, with the autovacuum that its documentation recommends."""
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(text(outbox_autovacuum_ddl("outbox")))


if __name__ == "__main__":
    asyncio.run(create() if sys.argv[1:] == ["create"] else app.run())
