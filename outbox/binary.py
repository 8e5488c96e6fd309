"""Events in the binary format of COPY.

https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from outbox.recorded import COLUMNS, Recorded

BYTES_PER_MESSAGE = 64 * 1024

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # with neither flags nor an extension
_TRAILER = b"\xff" * 2
_FIELDS = len(COLUMNS).to_bytes(2)
_NULL = b"\xff" * 4


def messages(rows: Iterable[Recorded], *, encoding: str) -> Iterator[bytes]:
    """The rows, with texts in the encoding of the connection."""
    data = bytearray(_HEADER)
    for row in rows:
        data += _row(row, encoding)
        if len(data) >= BYTES_PER_MESSAGE:
            yield bytes(data)
            data.clear()
    yield bytes(data + _TRAILER)


def _row(row: Recorded, encoding: str) -> bytes:
    """How many fields, then each of them."""
    subject = None if row.subject is None else row.subject.encode(encoding)
    return b"".join(
        (
            _FIELDS,
            _field(row.raw_id),
            _name(row.topic),
            _field(row.key),
            _name(row.type),
            _field(row.version.to_bytes(4)),
            _field(subject),
            _field(row.value),
            _field(row.headers),
        )
    )


def _field(data: bytes | None) -> bytes:
    """Bytes behind their number."""
    return _NULL if data is None else len(data).to_bytes(4) + data


@lru_cache
def _name(text: str) -> bytes:
    """A topic or a type: there are few, in ASCII."""
    return _field(text.encode())
