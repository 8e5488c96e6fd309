"""Rows of a statement that may write any number of them: never all in memory at once."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import IO, Any

from psycopg import DataError, capabilities

ROWS_PER_CHUNK = 1_000
BYTES_PER_CHUNK = 1024 * 1024
CHUNKS_IN_MEMORY = 4

Row = tuple[Any, ...]
Rows = list[Row]


class Spool:
    """Chunks of rows in their order; beyond the first few, in a file that nobody else sees."""

    def __init__(self) -> None:
        self._chunks: list[Rows] = []
        self._file: IO[bytes] | None = None
        self._stored = 0

    def append(self, chunk: Rows) -> None:
        if len(self._chunks) < CHUNKS_IN_MEMORY:
            self._chunks.append(chunk)
            return
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 - closed with the cursor
        pickle.dump(chunk, self._file, pickle.HIGHEST_PROTOCOL)
        self._stored += 1

    def chunks(self) -> Iterator[Rows]:
        """Each once; what is in memory is let go on the way."""
        while self._chunks:
            yield self._chunks.pop(0)
        if self._file is not None:
            self._file.seek(0)
            for _ in range(self._stored):
                yield pickle.load(self._file)  # noqa: S301 - this process wrote it

    def close(self) -> None:
        """Let go of what nobody has read, which a failure may leave."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()


class SpoolingCursor:
    """A cursor of psycopg that has read all rows, in chunks, before it gives the first.

    While rows come in, a connection takes no other statement; once they are in, it does.
    """

    def __init__(self, cursor: Any, statement: str) -> None:
        self.rowcount = -1
        self._cursor = cursor
        self._spool = Spool()
        self._statement = statement
        self._chunks: Iterator[Rows] = iter(())
        self._failure: DataError | None = None

    def execute(self, sql: str, params: Sequence[Any] | None = None) -> None:
        if sql == self._statement:
            self._stream(sql, params)
        else:
            self._execute(sql, params)

    def _execute(self, sql: str, params: Sequence[Any] | None) -> None:
        # Somebody put statements before it, as pgtrigger.ignore() does, which no stream takes.
        self._cursor.execute(sql, params)
        while self._cursor.nextset():
            pass
        self.rowcount = self._cursor.rowcount
        self._chunks = iter(lambda: self._cursor.fetchmany(ROWS_PER_CHUNK), [])

    def _stream(self, sql: str, params: Sequence[Any] | None) -> None:
        self.rowcount = 0
        try:
            for chunk in _chunked(self._cursor.stream(sql, params, size=_rows_at_once())):
                self._spool.append(chunk)
                self.rowcount += len(chunk)
        except DataError as exc:
            if exc.sqlstate is not None or self._cursor.pgresult is None:
                raise
            self._failure = exc  # not the statement failed, but loading what it returned
        self._chunks = self._spool.chunks()

    def fetchmany(self, size: int) -> Rows:
        """The next chunk, whatever its size; an empty one at the end."""
        if self._failure is not None:
            raise self._failure
        return next(self._chunks, [])

    def close(self) -> None:
        self._spool.close()
        self._cursor.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


def _chunked(rows: Iterable[Row]) -> Iterator[Rows]:
    chunk: Rows = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(chunk) >= ROWS_PER_CHUNK or size >= BYTES_PER_CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _rows_at_once() -> int:
    return 100 if capabilities.has_stream_chunked() else 1
