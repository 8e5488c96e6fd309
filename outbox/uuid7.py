"""Time-ordered identifiers (RFC 9562, version 7)."""

from __future__ import annotations

import os
import time
from random import Random
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62

# An identifier is no secret, but its generator is its own: others seed Python's to repeat itself.
_random = Random()  # noqa: S311
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def uuid7() -> UUID:
    """A new identifier; its first 60 bits of payload are the time in steps of 244 nanoseconds."""
    return UUID(bytes=uuid7_bytes())


def uuid7_bytes() -> bytes:
    """The same as 16 bytes, in network order."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    noise = _random.getrandbits(62)
    return (milliseconds << 80 | _VERSION | fraction << 64 | _VARIANT | noise).to_bytes(16)
