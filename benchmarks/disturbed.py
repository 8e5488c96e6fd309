"""Whether what others do in the same database slows down the drain of a backlog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import psycopg

from benchmarks.database import outbox_database, record
from benchmarks.drain import Drain, in_turn
from benchmarks.figures import Figure, Goal, Repeat, median_control, median_ratio
from benchmarks.log import NotMeasured
from benchmarks.modes import Mode, foremost, titled
from benchmarks.process import new_name
from benchmarks.stage import Say, Stage, stage

EVENTS = {"kafka-python": 40_000, "librdkafka": 200_000}
REPEATS = 3
SAVES, REMOVED = 10_000, 100_000
"""What an old snapshot keeps: the positions of 40 minutes, and rows that were removed since."""

_OUTBOX_WRITE = """
INSERT INTO outbox_event (event_id, topic, key, type, version, value)
SELECT gen_random_uuid(), 'nowhere', '\\x6b', 'benchmark.disturbed', 1, '\\x7b7d'
FROM generate_series(1, %s::integer)
"""
_SAVES = f"""
DO $$ BEGIN
    FOR n IN 1..{SAVES} LOOP
        UPDATE outbox_position SET updated_at = clock_timestamp();
        COMMIT;
    END LOOP;
END $$
"""
_OPEN = "SELECT pg_xact_status(%s::xid8) = 'in progress'"
_HELD = "SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = %s"

Connection = psycopg.Connection[tuple[object, ...]]
Disturbance = Callable[[str, str], AbstractContextManager[None]]


def nothing(url: str, name: str) -> AbstractContextManager[None]:
    return nullcontext()


@contextmanager
def open_outbox_writer(url: str, name: str) -> Iterator[None]:
    """A transaction that wrote an outbox row and does not end; the row is never committed."""
    with _open(url, _OUTBOX_WRITE, [1]):
        yield


@contextmanager
def open_foreign_writer(url: str, name: str) -> Iterator[None]:
    """A transaction that wrote somewhere else and does not end."""
    with _open(url, "SELECT pg_current_xact_id()"):
        yield


@contextmanager
def old_snapshot(url: str, name: str) -> Iterator[None]:
    """A report that runs for long: no row that was updated or deleted since can be cleaned up."""
    with psycopg.connect(url) as old, psycopg.connect(url, autocommit=True) as busy:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM outbox_position")
        _churn(busy, name)
        yield
        _require(busy, _HELD, [old.info.backend_pid])
        old.rollback()


def _churn(connection: Connection, name: str) -> None:
    """Leave what cannot be cleaned up: in the position of that name, and in the outbox."""
    connection.execute("SET synchronous_commit = off")
    connection.execute("INSERT INTO outbox_position (name) VALUES (%s)", [name])
    connection.execute(_SAVES.encode())
    connection.execute(_OUTBOX_WRITE, [REMOVED])
    connection.execute("DELETE FROM outbox_event WHERE topic = 'nowhere'")


@contextmanager
def _open(url: str, query: str, params: Sequence[object] = ()) -> Iterator[None]:
    with psycopg.connect(url) as writer, psycopg.connect(url, autocommit=True) as witness:
        writer.execute(query.encode(), params)
        row = writer.execute("SELECT pg_current_xact_id()::text").fetchone()
        assert row is not None  # the statement has no FROM
        _require(witness, _OPEN, row)
        yield
        _require(witness, _OPEN, row)
        writer.rollback()


def _require(connection: Connection, query: str, params: Sequence[object]) -> None:
    if connection.execute(query.encode(), params).fetchone() != (True,):
        raise NotMeasured("what should disturb the drain was not there all the time")


DISTURBANCES: Mapping[str, Disturbance] = {
    "open_outbox_writer": open_outbox_writer,
    "open_foreign_writer": open_foreign_writer,
    "old_snapshot": old_snapshot,
}


@dataclass(frozen=True, slots=True)
class Round:
    """Events per second beside each disturbance, between two runs without any."""

    before: float
    after: float
    disturbed: Mapping[str, float]

    def beside_undisturbed(self, kind: str) -> Repeat:
        return Repeat(self.before, self.disturbed[kind], self.after)


class Yard:
    """Where a backlog is recorded and drained beside a disturbance that was there before it."""

    def __init__(self, servers: Stage, empty: str, mode: Mode) -> None:
        self._servers, self._empty, self._mode = servers, empty, mode

    def rate(self, disturbance: Disturbance = nothing) -> float:
        name, events = new_name(), EVENTS[self._mode.client]
        with (
            outbox_database(self._servers.server, template=self._empty) as url,
            disturbance(url, name),
        ):
            record(url, self._servers.log.topic, events)
            return Drain(url, self._servers.log, events).ours(self._mode, name).rate


def measure(modes: Sequence[Mode], say: Say) -> list[Figure]:
    """Drain a backlog with and without each disturbance, in turns."""
    mode = foremost(modes)
    with stage("disturbed", say) as servers, outbox_database(servers.server) as empty:
        rounds = _rounds(Yard(servers, empty, mode), say)
    return list(figures(titled("disturbed", mode), rounds))


def _rounds(yard: Yard, say: Say) -> list[Round]:
    """The undisturbed run at the end of a round begins the next one."""
    rounds, before = [], yard.rate()
    for number in range(REPEATS):
        kinds = in_turn(list(DISTURBANCES), number)
        disturbed = {kind: yard.rate(DISTURBANCES[kind]) for kind in kinds}
        rounds.append(Round(before, yard.rate(), disturbed))
        shown = ", ".join(f"{kind} {rate:,.0f}/s" for kind, rate in disturbed.items())
        say(f"undisturbed {before:,.0f}/s, {shown}, undisturbed {rounds[-1].after:,.0f}/s")
        before = rounds[-1].after
    return rounds


def figures(title: str, rounds: Sequence[Round]) -> Iterator[Figure]:
    """Each disturbance over the undisturbed runs around it."""
    for kind in DISTURBANCES:
        ratio = median_ratio([each.beside_undisturbed(kind) for each in rounds])
        yield Figure(f"{title}.{kind}.vs_undisturbed", ratio, Goal(">=", 0.95))
    control = median_control([Repeat(each.before, each.before, each.after) for each in rounds])
    yield Figure(f"{title}.undisturbed.vs_undisturbed", control)
