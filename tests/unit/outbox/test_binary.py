"""What COPY is fed with is a whole file of its format."""

from outbox.binary import BYTES_PER_MESSAGE, messages
from outbox.recorded import Recorded

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"


def of(value: bytes | None, subject: str | None = "s") -> Recorded:
    return Recorded(bytes(16), "t", b"k", "e", 1, subject, value, None)


def test_rows_stand_between_a_header_and_a_trailer() -> None:
    text, null = b"\0\0\0\1", b"\xff\xff\xff\xff"
    start = b"\0\x08" + b"\0\0\0\x10" + bytes(16) + text + b"t" + text + b"k" + text + b"e"
    version = b"\0\0\0\4" + b"\0\0\0\1"
    row = start + version + text + b"\xe9" + text + b"v" + null
    tombstone = start + version + null + null + null
    rows = [of(b"v", subject="é"), of(None, subject=None)]
    assert list(messages(rows, encoding="latin-1")) == [HEADER + row + tombstone + TRAILER]


def test_large_rows_are_sent_one_by_one_and_nothing_is_sent_empty() -> None:
    rows = [of(b"v" * BYTES_PER_MESSAGE)] * 2
    sizes = [len(message) for message in messages(rows, encoding="utf-8")]
    assert len(sizes) == 3
    assert min(sizes[:2]) > BYTES_PER_MESSAGE
    assert sizes[2] == len(TRAILER)
