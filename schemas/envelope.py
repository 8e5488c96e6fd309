"""The envelope: CloudEvents 1.0 in Kafka's binary mode.

The attributes are headers of the record, the event is its value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from pydantic import ValidationError

from schemas.errors import InvalidEnvelope, Undecodable
from schemas.event import Event
from schemas.registry import lookup

Header = tuple[str, bytes]
Headers = Iterable[tuple[str, bytes | None]] | Mapping[str, bytes | None] | None

_REQUIRED = ("ce_id", "ce_source", "ce_type", "ce_specversion", "ce_time")
_ATTRIBUTES = frozenset({*_REQUIRED, "ce_subject", "ce_dataschema", "ce_sequence"})
_TRACING = ("traceparent", "tracestate")  # they travel bare, as every tracing library expects
_CONTENT_TYPE = "ce_datacontenttype"  # in binary mode it is the header content-type
_EXTENSION = re.compile(r"[a-z0-9]+")
_DIGITS = re.compile(r"[0-9]{1,20}")


@lru_cache(maxsize=1024)
def constant_headers(
    source: str,
    type: str,  # noqa: A002 - CloudEvents calls it so
    version: int | None,
    tombstone: bool = False,
) -> tuple[Header, ...]:
    """The headers that all events of a type share. A tombstone has no content to describe."""
    shared = (
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", type.encode()),
    )
    if tombstone:
        return shared
    json_content = (("content-type", b"application/json"),)
    if version is None:
        return shared + json_content
    return (*shared, ("ce_dataschema", f"urn:contract:{type}:{version}".encode()), *json_content)


def binary_headers(
    constant: tuple[Header, ...],
    id: bytes,  # noqa: A002 - CloudEvents calls it so
    time: bytes,
    subject: bytes | None,
    sequence: int | None,
    extensions: bytes | None,
) -> list[Header]:
    """All headers of a record: `constant` and what this event alone has, ready to send.

    `time` is RFC 3339 in UTC, `sequence` the id of the outbox row, `extensions` a JSON object of
    strings. `InvalidEnvelope` names an extension that cannot be a header.
    """
    headers = [("ce_id", id), ("ce_time", time), *constant]
    if sequence is not None:
        headers.append(("ce_sequence", b"%020d" % sequence))
    if subject is not None:
        headers.append(("ce_subject", subject))
    return headers if extensions is None else headers + _extension_headers(extensions)


def _extension_headers(extensions: bytes) -> list[Header]:
    return [(_extension_name(name), text.encode()) for name, text in json.loads(extensions).items()]


def _extension_name(name: str) -> str:
    if name in _TRACING:
        return name
    require_extension(name)
    return f"ce_{name}"


def require_extension(name: str) -> None:
    """`InvalidEnvelope` names what cannot be an extension attribute, and the cure."""
    header = f"ce_{name}"
    if not _EXTENSION.fullmatch(name):
        raise InvalidEnvelope(
            f"extension {name!r} is not a name of CloudEvents; use up to 20 lower case letters and "
            'digits, such as "correlationid"'
        )
    if header in _ATTRIBUTES or header == _CONTENT_TYPE:
        raise InvalidEnvelope(f"extension {name!r} is an attribute of every event; rename it")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A record as a consumer gets it: who says what about which event, and the event's bytes.

    `time` is in UTC. `version` is None where the record names no contract of ours, as a tombstone.
    `sequence` rises with every event of one key: what is lower than the last one is stale.
    """

    id: str
    source: str
    type: str
    version: int | None
    time: datetime
    subject: str | None
    sequence: int | None
    key: bytes | None
    value: bytes | None
    extensions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_kafka(cls, headers: Headers, key: bytes | None, value: bytes | None) -> Envelope:
        """Read a record as Kafka clients give it; `InvalidEnvelope` names the header that is wrong.

        Headers may stand in any order; those that are not CloudEvents attributes are passed over.
        """
        found = _texts(headers)
        return cls(
            id=found["ce_id"],
            source=found["ce_source"],
            type=found["ce_type"],
            version=_version(found),
            time=_time(found["ce_time"]),
            subject=found.get("ce_subject"),
            sequence=_sequence(found.get("ce_sequence")),
            key=key,
            value=value,
            extensions=_extensions(found),
        )

    def to_kafka(self) -> list[Header]:
        """Return the headers of this envelope; its key and value are sent as they are.

        `InvalidEnvelope` names an extension that cannot be a header.
        """
        constant = constant_headers(
            self.source, self.type, self.version, tombstone=self.is_tombstone
        )
        return binary_headers(
            constant,
            id=self.id.encode(),
            time=self.time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode(),
            subject=None if self.subject is None else self.subject.encode(),
            sequence=self.sequence,
            extensions=json.dumps(dict(self.extensions)).encode() if self.extensions else None,
        )

    @property
    def is_tombstone(self) -> bool:
        """Whether the record has no value: its key exists no more."""
        return self.value is None

    def event(self) -> Event:
        """Decode the value by the contract that the headers name.

        `UnknownContract` if no class is registered for it, `Undecodable` if the value does not fit
        the class, `InvalidEnvelope` if there is no value or no contract is named.
        """
        value = self._content()
        if self.version is None:
            raise InvalidEnvelope(
                f"{self} names no contract in ce_dataschema; read it with json() instead"
            )
        contract = lookup(self.type, self.version)
        try:
            return contract.model_validate_json(value)
        except ValidationError as exc:
            raise Undecodable(
                f"{self} does not fit {contract.__qualname__} (version {self.version}): "
                f"{_first(exc)}; both sides must declare the same fields, or another version"
            ) from None  # pydantic's error quotes the payload

    def json(self) -> object:
        """Decode the value without its contract; `Undecodable` if it is not JSON."""
        try:
            parsed: object = json.loads(self._content())
        except (ValueError, RecursionError) as exc:
            raise Undecodable(
                f"{self} is not JSON: {exc}; what else writes to its topic?"
            ) from None
        return parsed

    def _content(self) -> bytes:
        if self.value is None:
            raise InvalidEnvelope(f"{self} is a tombstone; test is_tombstone before reading it")
        return self.value

    def __str__(self) -> str:
        return f"event {self.id} of type {self.type} from {self.source}"


def _texts(headers: Headers) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    found = {
        name: _text(name, value)
        for name, value in pairs
        if value is not None and (name.startswith("ce_") or name in _TRACING)
    }
    _require(found)
    return found


def _extensions(found: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("ce_"): text for name, text in found.items() if name not in _ATTRIBUTES
    }


def _require(found: Mapping[str, str]) -> None:
    for name in _REQUIRED:
        if not found.get(name):
            others = ", ".join(sorted(found)) or "none of its kind"
            raise InvalidEnvelope(
                f"header {name} is missing, found {others}; "
                "is the record a CloudEvent in Kafka's binary mode?"
            )
    if not found["ce_specversion"].startswith("1."):
        raise _wrong("ce_specversion", found["ce_specversion"], "this release reads 1.0")


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _wrong(name, value, "CloudEvents headers are UTF-8") from None


def _version(found: Mapping[str, str]) -> int | None:
    contract, _, version = found.get("ce_dataschema", "").rpartition(":")
    ours = contract == f"urn:contract:{found['ce_type']}" and _DIGITS.fullmatch(version)
    return int(version) if ours else None


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _wrong("ce_time", text, "write RFC 3339 with a time zone")


def _sequence(text: str | None) -> int | None:
    if text is not None and not _DIGITS.fullmatch(text):
        raise _wrong("ce_sequence", text, "write it in up to 20 digits")
    return None if text is None else int(text)


def _wrong(name: str, value: str | bytes, cure: str) -> InvalidEnvelope:
    return InvalidEnvelope(f"header {name} is {value!r}; {cure}")


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the value'}: {first['msg']}"
