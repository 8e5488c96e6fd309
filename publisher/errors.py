"""What can go wrong in the publisher.

The class says what happens next: an `Unavailable` is waited for, anything else ends the process.
"""


class PublisherError(Exception):
    """The publisher cannot go on."""


class ConfigurationInvalid(PublisherError):
    """One line for each setting that is wrong, with its cure."""


class Unavailable(PublisherError):
    """Something outside is missing for now; the relay waits and tries again by itself."""


class StoreUnavailable(Unavailable):
    """PostgreSQL cannot be used at the moment."""


class StandsBy(Unavailable):
    """Another publisher of this name is active; this one takes over as soon as it can."""


class BrokerUnavailable(Unavailable):
    """Kafka cannot be used at the moment."""


class Interrupted(BrokerUnavailable):
    """The client dropped the record because of another one, whose error is the cause."""


class TopicUnavailable(Unavailable):
    """A topic is unknown, forbidden or has no leader; the message names it."""


class TopicForbidden(TopicUnavailable):
    """Kafka took no record for this topic, though it may have said before that it would."""

    def __init__(self, message: str, *, topic: str) -> None:
        super().__init__(message)
        self.topic = topic


class RecordRejected(Unavailable):
    """Kafka refuses one record for what it is; the message names its outbox row.

    Where a whole batch is refused, any record from row `first` to row `upto` may be the cause.
    """

    def __init__(self, message: str, *, first: int, upto: int) -> None:
        super().__init__(message)
        self.first, self.upto = first, upto


class BrokerFenced(BrokerUnavailable):
    """Another producer has this publisher's transactional id; who holds the position goes on."""


class PositionLost(PublisherError):
    """The position that Kafka should hold is missing, or is that of another project."""


class PositionAhead(PositionLost):
    """The position in Kafka counts transactions that the database has yet to reach."""


class CredentialsRejected(PublisherError):
    """PostgreSQL refused the user, the password or the database's name at the start."""


class TimelineChanged(PublisherError):
    """The database is not the one whose position is stored: ids may have been used again."""


class Fenced(PublisherError):
    """The position was moved or removed by hand while this publisher held it."""
