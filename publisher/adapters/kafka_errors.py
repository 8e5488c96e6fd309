"""What kafka-python raises, and what it only logs, in words that name the cure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka

from publisher.adapters import reasons
from publisher.adapters.kafka_config import Config
from publisher.adapters.reasons import variable
from publisher.errors import (
    BrokerUnavailable,
    ConfigurationInvalid,
    Interrupted,
    RecordRejected,
    TopicForbidden,
    TopicUnavailable,
    Unavailable,
)
from publisher.ports import Record

RECENT = 30.0
"""Seconds for which what the client logged still explains what it raises."""

TOO_LARGE = (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError)
_REFUSED = (
    kafka.InvalidRecordError,
    kafka.InvalidTimestampError,
    kafka.PolicyViolationError,
)
UNSENDABLE = (ValueError, TypeError, AssertionError)
_SHARED_BATCH = "part of a batch which had"
"""What the client says of the other records of a batch, in its most general class of errors."""
_NO_TOPIC = (
    kafka.UnknownTopicOrPartitionError,
    kafka.TopicAuthorizationFailedError,
    kafka.InvalidTopicError,
)
_LOGIN = (
    kafka.SaslAuthenticationFailedError,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
    kafka.AuthorizationError,
)
_PLAIN = {
    "ECONNREFUSED": reasons.NOBODY_LISTENS,
    "DNS Resolution failure": reasons.NO_SUCH_HOST,
    "socket disconnected": reasons.HUNG_UP,
    # Two texts for the same, in turn: as they are, each would be news for the log.
    "ECONNRESET": reasons.HUNG_UP,
    "Connection reset by peer": reasons.HUNG_UP,
}


class LastWord(logging.Handler):
    """The last error that the client logged: what it raises names only its own time-out."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._error: BaseException | None = None
        self._at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        given = record.args if isinstance(record.args, tuple) else ()
        for error in given:
            if isinstance(error, Exception) and not isinstance(error, kafka.KafkaTimeoutError):
                self._error, self._at = error, time.monotonic()

    @property
    def recent(self) -> BaseException | None:
        return self._error if time.monotonic() - self._at < RECENT else None

    def forget(self) -> None:
        self._error = None


last_word = LastWord()


@contextmanager
def reaching(servers: str) -> Iterator[None]:
    """Turn what the client raises into what the relay waits for, or what ends the process."""
    try:
        yield
    except kafka.KafkaConfigurationError as exc:
        raise ConfigurationInvalid(f"PUBLISHER_KAFKA_CONFIG: {reason(exc)}") from exc
    except (kafka.KafkaError, OSError) as exc:
        raise BrokerUnavailable(_unreachable(servers, last_word.recent or exc)) from exc
    last_word.forget()


@contextmanager
def permitted(journal: str) -> Iterator[None]:
    """Name the right that is missing on the journal, or on the transactional id of its name."""
    try:
        yield
    except kafka.TopicAuthorizationFailedError as exc:
        raise BrokerUnavailable(reasons.journal_forbidden(journal)) from exc
    except kafka.TransactionalIdAuthorizationFailedError as exc:
        raise BrokerUnavailable(reasons.transactional_id_forbidden(journal)) from exc


class Aborted(kafka.KafkaError):  # type: ignore[misc]
    """Another record failed, and the client sends nothing more of what it had."""


@contextmanager
def constructing(config: Config) -> Iterator[Callable[..., Any]]:
    """Give what makes the network part of a client; what was made ends where the rest fails."""
    logging.getLogger("kafka").addHandler(last_word)
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        made.append(KafkaProducer.DEFAULT_CONFIG["kafka_client"](**settings))
        # kafka-python takes this setting and does not hand it on to what asks for metadata.
        made[-1].cluster.config["allow_auto_create_topics"] = False
        return made[-1]

    try:
        yield make
    except BaseException as exc:
        for client in made:
            client.close()
        if isinstance(exc, (TypeError, ValueError, RuntimeError)):
            raise ConfigurationInvalid(f"{_culprits(config, str(exc))}: {exc}") from exc
        raise


def _culprits(config: Config, text: str) -> str:
    named = [name for name in config if name in text or str(config[name]) in text]
    return ", ".join(map(variable, named or sorted(config))) or "PUBLISHER_KAFKA_CONFIG"


def reason(exc: BaseException) -> str:
    """The error's name and what it adds: the client says `[Error 10] Name: None` for some."""
    detail = str(exc.args[0]) if exc.args and exc.args[0] is not None else ""
    return f"{type(exc).__name__}: {detail}" if detail else type(exc).__name__


def failure(records: Sequence[Record], exc: BaseException) -> Unavailable:
    """What the failure of the first of these records means for the relay.

    The client sends what is too large alone; any other refusal is that of a batch.
    """
    record, why = records[0], reason(exc)
    cure = _cure_of_record(exc)
    if cure is not None:
        return RecordRejected(
            reasons.record_refused(record, why, cure),
            first=record.id,
            upto=record.id if isinstance(exc, (*TOO_LARGE, *UNSENDABLE)) else records[-1].id,
        )
    if isinstance(exc, kafka.TopicAuthorizationFailedError):
        return _forbidden(records, exc)
    if isinstance(exc, _NO_TOPIC):
        return TopicUnavailable(reasons.record_unwritable(record, why))
    if isinstance(exc, Aborted):
        return Interrupted(reasons.record_unacknowledged(record, why))
    return BrokerUnavailable(reasons.record_unacknowledged(record, why))


def _forbidden(records: Sequence[Record], exc: BaseException) -> Unavailable:
    """The error names the topic of a batch, though every record on its way gets it, or the set of
    those that a transaction means."""
    named = exc.args[0] if exc.args else None
    topics = {named} if isinstance(named, str) else named or {records[0].topic}
    topic = next((each.topic for each in records if each.topic in topics), None)
    if topic is None:
        return BrokerUnavailable(reasons.record_unacknowledged(records[0], reason(exc)))
    return TopicForbidden(reasons.topic_forbidden(topic), topic=topic)


def _cure_of_record(exc: BaseException) -> str | None:
    if isinstance(exc, TOO_LARGE):
        return reasons.too_large("max_request_size")
    if isinstance(exc, _REFUSED) or _SHARED_BATCH in str(exc):
        return reasons.REFUSED_BY_TOPIC
    if isinstance(exc, UNSENDABLE):
        return reasons.UNSENDABLE
    return None


def _unreachable(servers: str, cause: BaseException) -> str:
    if isinstance(cause, _LOGIN):
        return reasons.login_refused(servers, reason(cause))
    talked = any(sign in str(cause) for sign in ("socket disconnected", "Handshake", "timed out"))
    return reasons.unreachable(servers, _plainly(cause), talked=talked)


def _plainly(cause: BaseException) -> str:
    if isinstance(cause, kafka.RequestTimedOutError):
        return reasons.NO_ANSWER
    text = reason(cause)
    return next((plain for sign, plain in _PLAIN.items() if sign in text), text)
