"""What goes over the wire to PostgreSQL, as libpq itself writes it down."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.pq import Trace

from publisher.adapters.connection import Connection

_BEAT = 'Query\t "SELECT"'


@dataclass
class Wire:
    """What a connection was asked: statements, and how often the server told that it waits.

    The sign of life of another thread, which comes by time, does not count.
    """

    statements: int = 0
    round_trips: int = 0


@contextmanager
def wire(connection: Connection, trace: Path) -> Iterator[Wire]:
    """Count what goes over the wire until the end of the block."""
    seen = Wire()
    with trace.open("w") as file:
        connection.pgconn.trace(file.fileno())
        connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        try:
            yield seen
        finally:
            connection.pgconn.untrace()
    lines = trace.read_text().splitlines()
    beats = sum(line.endswith(_BEAT) for line in lines)
    kinds = [line.split("\t")[2] for line in lines if line.startswith(("F\t", "B\t"))]
    seen.statements = kinds.count("Execute") + kinds.count("Query") - beats
    seen.round_trips = kinds.count("ReadyForQuery") - beats
