"""The two seams of the relay: where events wait, and where they go.

`tests/contract` asks every implementation for exactly what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from publisher.errors import Unavailable
from publisher.position import Checkpoint, Position, Snapshot


class Row(NamedTuple):
    """A stored event. All bytes are UTF-8 and ready to send; `time` is RFC 3339 in UTC."""

    id: int
    event_id: bytes
    topic: str
    key: bytes
    type: str
    version: int
    subject: bytes | None
    value: bytes | None
    headers: bytes | None
    time: bytes


class Record(NamedTuple):
    """A row as Kafka takes it."""

    id: int
    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one page, in rows and in bytes of their values.

    A page holds at least one row, however large that row is.
    """

    rows: int = 2_000
    bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SmallWindow:
    """The rows that `now` shows and `prev` did not, by id; None where they exceed the limits."""

    now: Snapshot
    rows: Sequence[Row] | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the unpublished rows of a frozen window lie.

    `fresh_from` is the lowest id of a transaction that began after `prev` (None: there is none),
    `last` the highest id of all, `rows` their number.
    """

    fresh_from: int | None
    last: int
    rows: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows by id; `exhausted` where the range that was asked for holds no more."""

    rows: Sequence[Row]
    exhausted: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not published yet: rows (counted up to a cap) and the age of the oldest, seconds."""

    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that the Django project declares; `kind` is `state` (compacted) or `events`."""

    name: str
    kind: str
    partitions: int


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """How Kafka keeps a topic; None for what this user may not know.

    `replicas` are those of the partition that has the fewest, `usual_replicas` what the cluster
    gives a new topic.
    """

    replicas: int
    usual_replicas: int | None
    cleanup_policy: str | None
    min_insync_replicas: int | None


@dataclass(frozen=True, slots=True)
class Parked:
    """What is set aside: a key behind a record that Kafka refuses, or a topic that cannot be
    written (`key` is None).

    Rows of it that the relay's position covers and `position` does not are unpublished, from row
    `row`. Of these, a retry has published those up to id `cursor` that `until` covers.
    """

    id: int
    topic: str
    key: bytes | None
    row: int
    reason: str
    position: Position
    until: Position | None = None
    cursor: int = 0
    retries: int = 0

    def __str__(self) -> str:
        key = "" if self.key is None else f", key {self.key!r}"
        return f"topic {self.topic!r}{key}, from outbox row {self.row}"


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks for: `retry` something parked, or `skip` its first record, `row`."""

    id: int
    verb: str
    parked: int
    row: int


@dataclass(frozen=True, slots=True)
class Tenure:
    """What a publisher gets with the position.

    `inherited`: another one held it since, or the database crashed, and what was read since the
    position was stored is not certain any more. `mirrored`: the position that counts is in Kafka,
    and this one may differ from it by rows that are set aside, or lie behind it. `database` tells
    it apart from any other; `rebased`: the position was moved since it was stored, by hand or
    because the history is another one, so that it may replace that of another database in Kafka.
    """

    position: Position
    source: str
    inherited: bool
    mirrored: bool = False
    database: str = ""
    rebased: bool = False


Confirm = Callable[[], int]


class Store(Protocol):
    """Where events wait and the position is kept.

    Every method blocks for at most the time of its statement, and raises `StoreUnavailable` when
    the database cannot answer: the store is closed then, and `open` may be called again.
    """

    @property
    def is_open(self) -> bool: ...

    def open(self) -> Tenure:
        """Connect, refuse what the guards refuse, and take the position over.

        Raises `StandsBy` while another publisher of this name is active: the connection is kept
        for the next try, which costs two statements. Raises `StoreUnavailable` also on a standby
        and before the tables exist; `TimelineChanged` on another database.
        """

    def small_window(self, prev: Snapshot, limits: Limits) -> SmallWindow:
        """Read everything since `prev`, if it fits; one statement."""

    def bounds(self, pair: Position) -> Bounds:
        """Find the unpublished rows of a frozen window; one statement."""

    def stragglers(self, pair: Position, after: int, below: int, limits: Limits) -> Chunk:
        """Read rows of transactions that `prev` saw in progress, `after < id < below`."""

    def span(self, pair: Position, after: int, upto: int, limits: Limits) -> Chunk:
        """Read the window's rows with `after < id <= upto`."""

    def foresee(self, pair: Position, after: int, upto: int, limits: Limits) -> Callable[[], Chunk]:
        """Begin with what `span` reads, and return at once; to call what is returned is to wait.

        Anything else may be asked meanwhile. Rows that are removed meanwhile may still come.
        """

    def backlog(self, position: Position) -> Backlog:
        """Measure what is not published yet."""

    def parked(self) -> Sequence[Parked]:
        """What is set aside for this publisher, the oldest first."""

    def park(self, parked: Parked) -> Parked:
        """Set something aside; returns it with its id. Of each there is one."""

    def keep(self, parked: Parked) -> None:
        """Store how its retry has come along."""

    def release(self, parked: Parked, request: Request | None = None, outcome: str = "") -> None:
        """It is set aside no longer, and a request for that is answered: both or neither."""

    def parked_within(self, parked: Parked) -> tuple[int, int]:
        """Ids between which (the first excluded) its unpublished rows lie that `until` covers."""

    def parked_rows(self, parked: Parked, after: int, upto: int, limits: Limits) -> Chunk:
        """Read its unpublished rows that `until` covers, with `after < id <= upto`."""

    def requests(self) -> Sequence[Request]:
        """What operators ask of this publisher and nobody has answered, in their order."""

    def answer(self, request: Request, outcome: str) -> None:
        """Say what became of a request."""

    def confirm(self) -> int:
        """Wait until no crash can take back what was read so far, as `save` does; returns the
        `xmax` of a snapshot taken now: none of before has a higher one.

        Raises as `save` does where this publisher does not hold the position any more.
        """

    def save(self, position: Position) -> None:
        """Store the position, once no crash can take back what it counts.

        Raises `StandsBy` when another publisher took it over, `Fenced` when it was moved or
        removed by hand; it stays where it is.
        """

    def disown(self) -> None:
        """Have the position belong to no history: `open` raises `TimelineChanged` from now on,
        until it is rebased.

        Raises as `save` does where this publisher does not hold the position any more.
        """

    def doze(self) -> bool:
        """Have writers ring from now on; False where this cannot be, so that one has to poll.

        It is refused while a transaction is open that wrote without having to ring. Where it is
        not, everything that a read behind it does not show rings when it commits. It may be asked
        again in a sleep, and has to be after a ring: stores of several names sleep at once, and
        one may have to take over what the other did for both.
        """

    @property
    def bell(self) -> int | None:
        """The file descriptor that is readable once it rings, or the database is lost; None where
        nothing rings. Ask `rung` before waiting for it."""

    def rung(self) -> bool:
        """Whether it rang since this was asked last, or since `rouse`. Never waits."""

    def rouse(self) -> None:
        """Writers need not ring any more. Does nothing where nobody sleeps."""

    def close(self) -> None:
        """Let go of the connection and the position. Never raises; may be repeated."""


class Delivery(Protocol):
    """A page on its way.

    A record whose time is up without an answer may have arrived all the same: it counts as not
    acknowledged, never as refused.
    """

    @property
    def stopped(self) -> bool:
        """Whether a record could not be sent, or may be refused: nothing else may be sent, until
        the page is settled."""

    @property
    def arrived(self) -> bool:
        """Whether all of the page has arrived, as far as `settle` has told."""

    @property
    def error(self) -> Unavailable | None:
        """What stopped the page behind its acknowledged prefix; None while all is well."""

    def settle(self, timeout: float) -> int:
        """Wait up to `timeout` seconds; return how many records, counted from the first one
        without a gap, Kafka has acknowledged so far."""


class Broker(Protocol):
    """Where events go: records of one key arrive in the order in which they were sent."""

    @property
    def is_open(self) -> bool: ...

    @property
    def atomic(self) -> bool:
        """Whether a page arrives whole, with its end, or not at all; one is on its way at once."""

    def open(self) -> None:
        """Connect. Raises `BrokerUnavailable`."""

    def recover(self, tenure: Tenure, confirm: Confirm) -> Checkpoint:
        """Where to go on: the end of the last page, where pages are atomic and the database only
        mirrors it; else the tenure's position, which is kept from now on.

        Where pages are atomic, whoever sent for this publisher before is kept from sending
        anything more; `confirm` is asked between that and keeping the tenure's position, and before
        a later end is kept; it raises where another publisher holds the position by now. Raises
        `PositionLost` where that end should be known and is not, or is that of another project or
        database, `PositionAhead` where it counts transactions that this one has yet to reach.
        """

    def leaderless(self, topics: Collection[str]) -> Mapping[str, str]:
        """Which of these topics wait for a broker that holds a part of them, in words. What is
        sent to such a part waits too, and the rest goes on."""

    def unavailable(self, topics: Collection[str]) -> Mapping[str, str]:
        """Which of these topics cannot be written, and why. Answers from memory where it can.

        Raises `BrokerUnavailable` where Kafka cannot be asked; what is on its way stays there.
        """

    def forget_topics(self) -> None:
        """Ask Kafka again, at the next question, about topics that could be written."""

    def send(self, records: Sequence[Record], end: Checkpoint) -> Delivery:
        """Hand a page over, in order, without waiting for Kafka; behind it, `end` is reached.

        Records are taken once, one after the other; taking one may raise `RecordRejected`. Where
        a record cannot be sent, nothing behind it is, and the delivery's error says why.
        Pages are sent one after the other; several may be on their way unless they are atomic.
        """

    def close(self) -> None:
        """Let go and drop what is not acknowledged: nothing of it is sent any more once this
        returns. Never raises; may be repeated."""
