"""Which publisher of a name is active, as those see it that stand by, and when it is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

TRY_EVERY = 0.2
"""Seconds between two tries of one that stands by."""

PULSE = 1.5
"""Seconds after which an active session that ran no statement runs an empty one."""

FROZEN = 3.0
"""Seconds without a statement after which a process counts as frozen."""

_LONGEST_GAP = 0.5
"""Seconds that count between two looks: who looked away for longer may have slept itself, or the
server did."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The session that holds a position, as far as this role may see it.

    `beat` changes with every statement; None where it cannot be seen. `waits` tells that the server
    waits for the process, and not the other way round.
    """

    pid: int
    role: str | None
    host: str | None
    since: datetime | None
    beat: datetime | None
    waits: bool
    may_end: bool

    def __str__(self) -> str:
        host = f" from {self.host}" if self.host else ""
        since = self.since.isoformat(timespec="seconds") if self.since else None
        return f"session {self.pid}{host}" + (f", connected since {since}" if since else "")


class Watch:
    """Tells from looks at the active session whether its process is frozen."""

    def __init__(self) -> None:
        self._seen: tuple[int, datetime | None] | None = None
        self._looked_at = self._quiet = 0.0

    def finds_frozen(self, holder: Holder, now: float) -> bool:
        """Whether nothing came from the process for `FROZEN` seconds under our eyes."""
        seen = (holder.pid, holder.beat)
        if holder.waits and holder.beat is not None and seen == self._seen:
            self._quiet += min(now - self._looked_at, _LONGEST_GAP)
        else:
            self._quiet = 0.0
        self._seen, self._looked_at = seen, now
        return self._quiet >= FROZEN


def stands_by(name: str, holder: Holder | None, *, role: str) -> str:
    """Why a publisher stands by, and what keeps it from taking over from a frozen one."""
    if holder is None:
        return f"another publisher named {name!r} is active: this one stands by"
    reason = f"another publisher named {name!r} is active ({holder}): this one stands by"
    if holder.beat is not None and holder.may_end:
        return reason
    if holder.role in (None, role):
        return f"{reason}; whether it freezes cannot be seen: set track_activities = on"
    return (
        f"{reason}, but could not take over if it froze, for the role {role!r} may not see or end "
        f"sessions of {holder.role!r}: run all publishers of a name as one role, or, where that is "
        f"no superuser, GRANT {holder.role} TO {role}"
    )
