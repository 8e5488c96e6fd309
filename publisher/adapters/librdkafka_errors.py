"""What librdkafka raises, and what it only tells a callback, in words that name the cure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from publisher.adapters import reasons
from publisher.adapters.reasons import variable
from publisher.errors import (
    BrokerUnavailable,
    ConfigurationInvalid,
    RecordRejected,
    TopicForbidden,
    TopicUnavailable,
    Unavailable,
)
from publisher.ports import Record

RECENT = 30.0
"""Seconds for which an error that the client told of still explains what it raises."""

TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_REFUSED = frozenset(
    {
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError._INVALID_DIFFERENT_RECORD,
    }
)
_NO_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_LOGIN = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_PLAIN = {
    "Connection refused": (reasons.NOBODY_LISTENS, False),
    "Failed to resolve": (reasons.NO_SUCH_HOST, False),
    "Disconnected": (reasons.HUNG_UP, True),
    "timed out": (reasons.NO_ANSWER, True),
}


class LastWord:
    """The last error that the client told of: what it raises names only its own time-out."""

    def __init__(self) -> None:
        self._error: KafkaError | None = None
        self._at = 0.0

    def __call__(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._error, self._at = error, time.monotonic()

    @property
    def recent(self) -> KafkaError | None:
        return self._error if time.monotonic() - self._at < RECENT else None

    def forget(self) -> None:
        self._error = None


@contextmanager
def reaching(servers: str, last_word: LastWord) -> Iterator[None]:
    """Turn what the client raises into what the relay waits for, or what ends the process."""
    try:
        yield
    except KafkaException as exc:
        error = exc.args[0]
        if error.code() == KafkaError._INVALID_ARG:
            raise ConfigurationInvalid(f"{variable('*')}: {error.str()}") from exc
        raise BrokerUnavailable(_unreachable(servers, last_word.recent or error)) from exc
    last_word.forget()


@contextmanager
def permitted(journal: str) -> Iterator[None]:
    """Name the right that is missing on the journal, or on the transactional id of its name."""
    try:
        yield
    except KafkaException as exc:
        code = exc.args[0].code()
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise BrokerUnavailable(reasons.journal_forbidden(journal)) from exc
        if code == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            raise BrokerUnavailable(reasons.transactional_id_forbidden(journal)) from exc
        raise


def reason(error: KafkaError) -> str:
    """The error's name and what it says."""
    return f"{error.name()}: {error.str()}"


def failure(records: Sequence[Record], error: KafkaError) -> Unavailable:
    """What the failure of the first of these records means for the relay.

    What is too large is refused alone; any other refusal is that of a batch.
    """
    record, why, code = records[0], reason(error), error.code()
    if code in TOO_LARGE:
        cure = reasons.too_large("message_max_bytes")
        text = reasons.record_refused(record, why, cure)
        return RecordRejected(text, first=record.id, upto=record.id)
    if code in _REFUSED:
        text = reasons.record_refused(record, why, reasons.REFUSED_BY_TOPIC)
        return RecordRejected(text, first=record.id, upto=records[-1].id)
    if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return TopicForbidden(reasons.topic_forbidden(record.topic), topic=record.topic)
    if code in _NO_TOPIC:
        return TopicUnavailable(reasons.record_unwritable(record, why))
    return BrokerUnavailable(reasons.record_unacknowledged(record, why))


def unsendable(record: Record, exc: Exception) -> RecordRejected:
    """The client cannot even take the record."""
    why = f"{type(exc).__name__}: {exc}"
    text = reasons.record_refused(record, why, reasons.UNSENDABLE)
    return RecordRejected(text, first=record.id, upto=record.id)


def _unreachable(servers: str, error: KafkaError) -> str:
    if error.code() in _LOGIN:
        return reasons.login_refused(servers, reason(error))
    text = reason(error)
    for sign, (plain, talked) in _PLAIN.items():
        if sign in text:
            return reasons.unreachable(servers, plain, talked=talked)
    return reasons.unreachable(servers, text, talked=True)
