"""Everything that runs: servers, publishers, writers, readers. It ends with its block."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import psycopg

from benchmarks.modes import Mode
from publisher.adapters.journal import Journal
from tests.acceptance.publishers import COMMAND
from tests.acceptance.stress.ledger import Change, committed_changes, create_tables
from tests.chaos.mode import EXACTLY_ONCE
from tests.chaos.publishers import Publisher, Publishers
from tests.chaos.servers import Cluster, Database, brokers, database
from tests.chaos.topic import Topic
from tests.conftest import migrate

MAIN_PARTITIONS, SIDE_PARTITIONS = 6, 2
TICK = 0.05
NAME = "default"
STANDING = """
    SELECT
        coalesce((SELECT epoch FROM outbox_position WHERE name = %(name)s), 0),
        ARRAY(SELECT id FROM outbox_parked WHERE publisher = %(name)s ORDER BY id),
        ARRAY(SELECT reason FROM outbox_parked WHERE publisher = %(name)s ORDER BY id)
"""


@dataclass(frozen=True)
class Setting:
    """What a run starts; `latency` is what the way to Kafka always takes, in seconds."""

    mode: Mode
    seed: int
    folder: Path
    publishers: int = 2
    latency: float = 0.0
    module: Sequence[str] = COMMAND
    writers: int = 4


class Standing(NamedTuple):
    """How often the position was taken over, and what is set aside: the reasons by number."""

    epoch: int
    set_aside: dict[int, str]


class Site:
    """The topic `main` is there all the time, `side` is the one that is deleted."""

    def __init__(self, database: Database, cluster: Cluster, url: str, setting: Setting) -> None:
        self.database, self.cluster, self.url, self.setting = database, cluster, url, setting
        self.main: Topic
        self.side: Topic
        self.publishers: Publishers

    def tick(self) -> None:
        self.publishers.mend()
        time.sleep(TICK)

    def idle(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tick()

    def until(self, true: Callable[[], object], timeout: float) -> bool:
        """Whether it became true in time."""
        deadline = time.monotonic() + timeout
        while not true():
            if time.monotonic() > deadline:
                return False
            self.tick()
        return True

    def committed(self, topic: Topic) -> set[Change]:
        return committed_changes(self.url, topic.name)

    @property
    def standing(self) -> Standing:
        """What the tables say of the publishers."""
        with psycopg.connect(self.url) as connection:
            ((epoch, ids, reasons),) = connection.execute(STANDING, {"name": NAME})
        return Standing(epoch, dict(zip(ids, reasons, strict=True)))

    @property
    def kept_in_kafka(self) -> list[str]:
        """The topics that exactly-once delivery rests on, beside those of the events."""
        exact = self.setting.mode.delivery == EXACTLY_ONCE
        return [Journal(NAME).topic, "__transaction_state"] if exact else []

    def publisher(self, number: int) -> Publisher:
        return Publisher(
            self.database.behind_link(self.url),
            self.cluster.behind_link,
            self.setting.folder / f"publisher-{number}",
            self.setting.module,
            **self.setting.mode.environment,
            PUBLISHER_NAME=NAME,
            PUBLISHER_PAGE_ROWS="50",
        )


@contextmanager
def site(setting: Setting) -> Iterator[Site]:
    """Start everything; the logs of the servers are in the folder at the end."""
    with ExitStack() as stack:
        postgres = stack.enter_context(database())
        stack.callback(keep, [postgres.log], setting.folder)
        kafka = stack.enter_context(brokers(delay=setting.latency))
        stack.callback(keep, kafka.logs, setting.folder)
        url = postgres.server.create_database("chaos")
        migrate(url)
        create_tables(url)
        here = Site(postgres, kafka, url, setting)
        for name, partitions in (("main", MAIN_PARTITIONS), ("side", SIDE_PARTITIONS)):
            unique = f"{name}.{uuid4().hex[:8]}"
            topic = Topic(kafka.broker, unique, partitions, setting.folder)
            setattr(here, name, stack.enter_context(topic))
        here.publishers = stack.enter_context(
            Publishers([here.publisher(number) for number in range(1, setting.publishers + 1)])
        )
        here.main.start_writers(url, setting.seed, setting.writers)
        here.side.start_writers(url, setting.seed + 1, 1)
        yield here


def keep(logs: Sequence[Path], folder: Path) -> None:
    for number, log in enumerate(logs, 1):
        shutil.copy(log, folder / f"{log.stem}-{number}.log")
