"""What can be wrong with a contract, an event or an envelope."""

from __future__ import annotations


class SchemaError(Exception):
    """Root of every error of this package."""


class InvalidContract(SchemaError):
    """The class line of an event does not make a contract."""


class DuplicateContract(InvalidContract):
    """Two classes claim the same type and version."""


class UnknownContract(SchemaError):
    """No class is registered for this type and version."""


class MissingKey(SchemaError):
    """The event has no key, so nothing decides its partition."""


class Unencodable(SchemaError):
    """A value has no canonical JSON form."""


class InvalidEnvelope(SchemaError):
    """A Kafka record is not a CloudEvent in binary mode."""
