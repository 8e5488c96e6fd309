"""Typed contracts for events, shared by those who record, relay and consume them."""

from schemas.change import Change
from schemas.contract import Contract
from schemas.encoding import encode, key_of
from schemas.envelope import Envelope
from schemas.errors import SchemaError
from schemas.event import Event
from schemas.links import Links
from schemas.registry import lookup

__version__ = "0.1.0"

__all__ = [
    "Change",
    "Contract",
    "Envelope",
    "Event",
    "Links",
    "SchemaError",
    "encode",
    "key_of",
    "lookup",
]
