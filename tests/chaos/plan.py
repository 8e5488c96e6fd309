"""Which faults come when: the same for the same seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    PUBLISHER_KILLED = "publisher-killed"
    PUBLISHER_FROZEN = "publisher-frozen"
    POSTGRES_KILLED = "postgres-killed"
    POSTGRES_FROZEN = "postgres-frozen"
    BROKER_KILLED = "broker-killed"
    BROKER_FROZEN = "broker-frozen"
    BROKER_RESTARTED = "broker-restarted"
    CONNECTION_CUT = "connection-cut"
    CONNECTION_DELAYED = "connection-delayed"
    CONNECTION_THROTTLED = "connection-throttled"
    DISK_FULL = "disk-full"
    CONNECTIONS_EXHAUSTED = "connections-exhausted"
    TOPIC_RECREATED = "topic-recreated"
    LEADER_MOVED = "leader-moved"
    BROKER_FROZEN_LONG = "broker-frozen-long"
    """For longer than a client's default delivery time-out; once, at the end of a full run."""


REPEATED: Final = tuple(kind for kind in Kind if kind is not Kind.BROKER_FROZEN_LONG)
OF_THE_PUBLISHER: Final = {Kind.PUBLISHER_KILLED, Kind.PUBLISHER_FROZEN}
LONG_HOLD: Final = {"kafka-python": 130.0, "librdkafka": 310.0}
"""Of a client: its own default delivery time-out, 120 and 300 s, and some."""


@dataclass(frozen=True)
class Pace:
    """The longest pause before a fault and the longest that it lasts, in seconds; the most luck.

    A frozen publisher has a time of its own: a standby takes over after three to five seconds.
    `long` is how long the brokers are frozen at the end of a full run.
    """

    pause: float
    hold: float
    frozen: float
    luck: float = 1.0
    long: float = max(LONG_HOLD.values())


FULL = Pace(pause=2.0, hold=5.0, frozen=8.0)
SHORT = Pace(pause=0.5, hold=1.5, frozen=1.5, luck=0.5)


@dataclass(frozen=True)
class Fault:
    """After `pause` seconds, for `hold` seconds; `luck` (0 to 1) chooses among its variants.

    Where it `kills`, the publisher is killed meanwhile and started again.
    """

    kind: Kind
    pause: float
    hold: float
    luck: float
    kills: bool = False


def planned(
    seed: int, kinds: Sequence[Kind], times: int, pace: Pace, kills: float = 0.25
) -> list[Fault]:
    """Each kind so many times, in any order; `kills` is the part that kills the publisher too."""
    chance = random.Random(seed)
    drawn = [kind for kind in kinds if kind in REPEATED] * times
    chance.shuffle(drawn)
    once = [kind for kind in kinds if kind not in REPEATED]
    return [_drawn(kind, chance, pace, kills) for kind in drawn + once]


def _drawn(kind: Kind, chance: random.Random, pace: Pace, kills: float) -> Fault:
    pause, hold, luck = chance.random(), chance.random(), chance.random() * pace.luck
    also = chance.random() < kills and kind not in OF_THE_PUBLISHER
    if kind is Kind.BROKER_FROZEN_LONG:
        return Fault(kind, pace.pause, pace.long, luck)
    longest = pace.frozen if kind is Kind.PUBLISHER_FROZEN else pace.hold
    return Fault(kind, pause * pace.pause, (0.1 + 0.9 * hold) * longest, luck, also)
