"""What each kind of fault does; it lasts for as long as the block."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import psycopg

from local.process import DiedEarly
from local.server import NotReady, Server
from tests.chaos.leaders import move_leaders
from tests.chaos.link import Link
from tests.chaos.plan import Fault, Kind
from tests.chaos.servers import STARTING
from tests.chaos.site import Site

Break = Callable[[Site, Fault], AbstractContextManager[None]]

NO_SPACE = "No space left on device"
PATIENCE = 20.0
READ_PATIENCE = 90.0
OURS = "application_name LIKE 'outbox-publisher:%'"


@contextmanager
def publisher_killed(site: Site, fault: Fault) -> Iterator[None]:
    publisher = site.publishers.active
    publisher.kill()
    yield
    publisher.start()


@contextmanager
def publisher_frozen(site: Site, fault: Fault) -> Iterator[None]:
    process = site.publishers.active.process
    process.freeze()
    try:
        yield
    finally:
        process.thaw()


@contextmanager
def postgres_killed(site: Site, fault: Fault) -> Iterator[None]:
    site.database.server.kill()
    yield
    site.database.server.start(STARTING)


@contextmanager
def postgres_frozen(site: Site, fault: Fault) -> Iterator[None]:
    with frozen(site.database.server):
        yield


@contextmanager
def broker_killed(site: Site, fault: Fault) -> Iterator[None]:
    broker = one_or_all(site, fault)
    broker.kill()
    yield
    broker.start(STARTING)


@contextmanager
def broker_frozen(site: Site, fault: Fault) -> Iterator[None]:
    with frozen(one_or_all(site, fault)):
        yield


@contextmanager
def broker_frozen_long(site: Site, fault: Fault) -> Iterator[None]:
    with frozen(site.cluster.broker):
        yield


@contextmanager
def broker_restarted(site: Site, fault: Fault) -> Iterator[None]:
    broker = one_or_all(site, fault)
    broker.stop()
    yield
    broker.start(STARTING)


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def one_or_all(site: Site, fault: Fault) -> Server:
    """One broker half of the time, all of them otherwise."""
    nodes = site.cluster.broker.nodes
    return nodes[int(fault.luck * 6)] if fault.luck < 0.5 else site.cluster.broker


@contextmanager
def connection_cut(site: Site, fault: Fault) -> Iterator[None]:
    with weather(site, fault) as links:
        for link in links:
            link.cut()
        yield


@contextmanager
def connection_delayed(site: Site, fault: Fault) -> Iterator[None]:
    """By up to three seconds for each direction."""
    with weather(site, fault) as links:
        for link in links:
            link.delay = 0.05 + fault.luck * 9 % 3
        yield


@contextmanager
def connection_throttled(site: Site, fault: Fault) -> Iterator[None]:
    """To one thousand bytes per second at the lowest."""
    with weather(site, fault) as links:
        for link in links:
            link.rate = 1_000 + fault.luck * 60_000 % 20_000
        yield


@contextmanager
def weather(site: Site, fault: Fault) -> Iterator[list[Link]]:
    """The way to PostgreSQL, to Kafka, or to both."""
    both = [site.database.link, site.cluster.link]
    links = [both[:1], both[1:], both][int(fault.luck * 3)]
    try:
        yield links
    finally:
        for link in links:
            link.mend()


@contextmanager
def disk_full(site: Site, fault: Fault) -> Iterator[None]:
    """Until PostgreSQL has met it; half of the time it must write log until it cannot go on."""
    disk, log = site.database.disk, site.database.log
    before = log.read_text(errors="replace").count(NO_SPACE)
    disk.fill()
    try:
        met = site.until(lambda: refused(site, fault, before), PATIENCE)
        if not met:
            raise TimeoutError(f"PostgreSQL did not notice within {PATIENCE:g} s that it is full")
        yield
    finally:
        disk.free()
        start_again(site.database.server)


def refused(site: Site, fault: Fault, before: int) -> bool:
    site.database.disk.fill()  # what PostgreSQL removed meanwhile
    if fault.luck < 0.5:
        with suppress(psycopg.Error), psycopg.connect(site.url, connect_timeout=2) as connection:
            connection.execute("SELECT pg_switch_wal()")
    return site.database.log.read_text(errors="replace").count(NO_SPACE) > before


def start_again(server: Server) -> None:
    """Also where it is about to end by itself, and where its recovery, which met the full disk,
    hangs for ever: then it is killed, as its operator would."""
    deadline = time.monotonic() + STARTING
    while True:
        try:
            server.start(PATIENCE)
        except (DiedEarly, NotReady):
            if time.monotonic() > deadline:
                raise
            server.kill()
        else:
            return


@contextmanager
def connections_exhausted(site: Site, fault: Fault) -> Iterator[None]:
    """Take every connection there is, then end that of the publisher, and take it too."""
    with ExitStack() as held:
        keeper = held.enter_context(psycopg.connect(site.url, autocommit=True))
        if not site.until(lambda: shut_out(site, keeper, held), PATIENCE):
            raise TimeoutError(f"a publisher kept a connection for {PATIENCE:g} s")
        yield


def shut_out(site: Site, keeper: psycopg.Connection[tuple[int]], held: ExitStack) -> bool:
    take_all(site, held)
    ended = keeper.execute(
        f"SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity WHERE {OURS}"
    ).fetchone()
    take_all(site, held)
    left = keeper.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {OURS}").fetchone()
    return ended is not None and left == (0,)


def take_all(site: Site, held: ExitStack) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            held.enter_context(psycopg.connect(site.url, autocommit=True))


@contextmanager
def topic_recreated(site: Site, fault: Fault) -> Iterator[None]:
    """Deleted when all of it was read; its writers go on while it is not there."""
    topic = site.side
    with topic.without_writers():
        wanted = site.committed(topic)
        if not site.until(lambda: wanted <= topic.reader.changes, READ_PATIENCE):
            left = len(wanted - topic.reader.changes)
            raise TimeoutError(f"{left} events are not on {topic.name} after {READ_PATIENCE:g} s")
        topic.delete()
    yield
    topic.create()


@contextmanager
def leader_moved(site: Site, fault: Fault) -> Iterator[None]:
    """Of the topic, of what exactly-once delivery keeps in Kafka, or of both."""
    topics = [site.main.name]
    kept = site.kept_in_kafka
    chosen = [topics + kept, topics, kept or topics][int(fault.luck * 3)]
    move_leaders(site.cluster.broker.bootstrap_servers, chosen)
    yield


BREAKS: Mapping[Kind, Break] = {
    Kind.PUBLISHER_KILLED: publisher_killed,
    Kind.PUBLISHER_FROZEN: publisher_frozen,
    Kind.POSTGRES_KILLED: postgres_killed,
    Kind.POSTGRES_FROZEN: postgres_frozen,
    Kind.BROKER_KILLED: broker_killed,
    Kind.BROKER_FROZEN: broker_frozen,
    Kind.BROKER_FROZEN_LONG: broker_frozen_long,
    Kind.BROKER_RESTARTED: broker_restarted,
    Kind.CONNECTION_CUT: connection_cut,
    Kind.CONNECTION_DELAYED: connection_delayed,
    Kind.CONNECTION_THROTTLED: connection_throttled,
    Kind.DISK_FULL: disk_full,
    Kind.CONNECTIONS_EXHAUSTED: connections_exhausted,
    Kind.TOPIC_RECREATED: topic_recreated,
    Kind.LEADER_MOVED: leader_moved,
}
