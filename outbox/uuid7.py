"""Time-ordered identifiers (RFC 9562, version 7)."""

from __future__ import annotations

import random
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def uuid7() -> UUID:
    """A new identifier; its first 60 bits of payload are the time in steps of 244 nanoseconds."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    # An identifier is no secret; Python seeds the generator of each forked process anew.
    noise = random.getrandbits(62)
    return UUID(int=milliseconds << 80 | _VERSION | fraction << 64 | _VARIANT | noise)
