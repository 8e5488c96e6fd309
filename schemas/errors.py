"""What can be wrong with a contract, an event or an envelope.

Every message says what it is about, which value is wrong and what to do next.
"""

from __future__ import annotations


class SchemaError(Exception):
    """Root of every error of this package."""


class InvalidContract(SchemaError):
    """The class does not make a contract: its class line or the type of a field is wrong."""


class DuplicateContract(SchemaError):
    """Two classes claim the same type and version."""


class UnknownContract(SchemaError):
    """No class is registered for this type and version."""


class MissingKey(SchemaError):
    """The event has no key, so nothing would decide its partition."""


class Unencodable(SchemaError):
    """A value has no canonical JSON form."""


class Undecodable(SchemaError):
    """The value of a record does not fit the contract that its headers name."""


class InvalidEnvelope(SchemaError):
    """The headers of a record are not a CloudEvent in Kafka's binary mode."""
