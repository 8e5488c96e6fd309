"""What stands in Kafka's way, in words that name the cure; the same ones whatever the client."""

from __future__ import annotations

from collections.abc import Iterable

from publisher.delivery import removal
from publisher.ports import Record

ADDRESS = "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS"


def variable(name: str) -> str:
    """The environment variable of a client's setting."""
    return f"PUBLISHER_KAFKA_CONFIG__{name.upper()}"


LOGIN = f"{variable('security_protocol')} and {variable('sasl_*')}"


def unreachable(servers: str, why: str, *, talked: bool) -> str:
    """Nothing answers there, or what answers does not talk to this client."""
    checks = f"{ADDRESS}, {LOGIN}" if talked else ADDRESS
    return f"Kafka cannot be reached at {servers}: {why}; check {checks}"


def login_refused(servers: str, why: str) -> str:
    return f"Kafka at {servers} refuses the login: {why}; check {LOGIN}"


NOBODY_LISTENS = "nothing listens there (connection refused)"
NO_SUCH_HOST = "the name of the host cannot be resolved"
NO_ANSWER = "it accepts the connection and gives no answer in time"
HUNG_UP = (
    "the other side hangs up, as one does that expects TLS or a login, refuses the login, or is "
    "not Kafka"
)


def topic_unknown(name: str) -> str:
    return (
        f"topic {name!r} does not exist: create it with `outbox-publisher topics create` (if "
        "it is new in the Django project, run `manage.py migrate` there first), or correct "
        "its name in the Django project"
    )


def topic_forbidden(name: str) -> str:
    return f"topic {name!r} is forbidden: grant this user Write and Describe on it"


def journal_forbidden(name: str) -> str:
    return (
        f"topic {name!r}, where exactly once keeps the position, is forbidden: grant this user "
        "Read, Write and Describe on it, and Create where it does not exist yet"
    )


def transactional_id_forbidden(name: str) -> str:
    return f"transactional id {name!r} is forbidden: grant this user Write and Describe on it"


def one_forbidden(topics: Iterable[str], why: str) -> str:
    names = ", ".join(map(repr, sorted(topics)))
    return f"one of the topics {names} is forbidden ({why}): smaller pages tell which one"


def topic_misnamed(name: str) -> str:
    return f"topic {name!r} has a name that Kafka refuses: correct it in the Django project"


class Leaderless(str):
    """The topic is there, and a broker that holds a part of it is not."""


def topic_leaderless(name: str, partitions: Iterable[int]) -> Leaderless:
    return Leaderless(
        f"topic {name!r} has no leader for partition {', '.join(map(str, sorted(partitions)))}: "
        "bring the brokers that hold it back"
    )


def topic_broken(name: str, why: str) -> str:
    return f"topic {name!r} cannot be written: {why}; look at the brokers that hold it"


def record_refused(record: Record, why: str, cure: str) -> str:
    return f"{_row(record)} is refused ({why}): {cure}, or {removal(record.id)}"


_BROKERS = "where this stays, look at the brokers that hold the topic"


def record_unwritable(record: Record, why: str) -> str:
    return f"{_row(record)} cannot be written ({why}): {_BROKERS}"


def record_unacknowledged(record: Record, why: str) -> str:
    return f"{_row(record)} is not acknowledged ({why}): {_BROKERS}"


def _row(record: Record) -> str:
    return f"outbox row {record.id} for topic {record.topic!r}"


def may_be_too_large(record: Record, limit: int) -> str:
    return (
        f"{_row(record)} is larger than the {limit} bytes of the topic's max.message.bytes: it is "
        "tried alone"
    )


def batch_too_large(topic: str, limit: str, why: str) -> str:
    """`limit` is the client's own setting for the size of a batch."""
    return (
        f"topic {topic!r} refuses a batch ({why}), so records travel one by one from now on: set "
        f"{variable(limit)} below the topic's max.message.bytes, and start again"
    )


def too_large(limit: str) -> str:
    """`limit` is the client's own setting for the largest request."""
    return (
        f"raise the topic's max.message.bytes or, if the client's limit is lower, {variable(limit)}"
    )


def fenced(why: str) -> str:
    return (
        f"another producer has this publisher's transactional id ({why}): it took over, or a "
        "transaction lasted longer than its time-out; who holds the position goes on from the "
        "last page that was committed"
    )


def transaction_failed(why: str) -> str:
    return (
        f"a transaction failed, and is tried again from its start ({why}): where that comes again "
        "and again, look at the brokers"
    )


REFUSED_BY_TOPIC = "change the settings or the policy of the topic that refuse it"
UNSENDABLE = "correct the row"
CLOSED = "the connection to Kafka is closed: open it first"


CREATED, EXISTS = "created", "exists"
"""What became of a topic that was to be created, where it is there now."""


def not_created(name: str, why: str) -> str:
    return f"topic {name!r} cannot be created: {why}"


CORRECT_NAME = "Correct its name in the Django project"
GRANT_CREATE = "Grant this user Create on it"
LOWER_REPLICATION = "Pass a lower --replication-factor"
