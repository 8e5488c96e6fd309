"""The envelope: CloudEvents 1.0 in Kafka's binary mode."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from schemas.errors import InvalidEnvelope
from schemas.event import Event
from schemas.registry import lookup

Header = tuple[str, bytes]


@lru_cache(maxsize=1024)
def constant_headers(
    source: str,
    type: str,  # noqa: A002
    version: int,
    *,
    tombstone: bool = False,
) -> tuple[Header, ...]:
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", type.encode()),
    )
    if tombstone:
        return headers
    return (
        *headers,
        ("ce_dataschema", f"urn:contract:{type}:{version}".encode()),
        ("content-type", b"application/json"),
    )


def binary_headers(
    constant: tuple[Header, ...],
    *,
    id: bytes,  # noqa: A002
    time: bytes,
    subject: bytes | None,
    sequence: int,
    extensions: bytes | None,
) -> list[Header]:
    headers = [("ce_id", id), ("ce_time", time), ("ce_sequence", b"%020d" % sequence), *constant]
    if subject is not None:
        headers.append(("ce_subject", subject))
    if extensions is not None:
        headers += [
            (k if k in ("traceparent", "tracestate") else f"ce_{k}", v.encode())
            for k, v in json.loads(extensions).items()
        ]
    return headers


@dataclass(frozen=True, slots=True)
class Envelope:
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
    def from_kafka(
        cls,
        headers: Iterable[tuple[str, bytes]] | Mapping[str, bytes],
        key: bytes | None,
        value: bytes | None,
    ) -> Envelope:
        found = {k: v.decode() for k, v in dict(headers).items()}
        try:
            schema = found.get("ce_dataschema")
            return cls(
                id=found["ce_id"],
                source=found["ce_source"],
                type=found["ce_type"],
                version=int(schema.rpartition(":")[2]) if schema else None,
                time=datetime.fromisoformat(found["ce_time"]),
                subject=found.get("ce_subject"),
                sequence=int(found["ce_sequence"]) if "ce_sequence" in found else None,
                key=key,
                value=value,
            )
        except KeyError as exc:
            raise InvalidEnvelope(f"header {exc} is missing") from None

    def to_kafka(self) -> list[Header]:
        raise NotImplementedError

    @property
    def is_tombstone(self) -> bool:
        return self.value is None

    def json(self) -> object:
        if self.value is None:
            return None
        parsed: object = json.loads(self.value)
        return parsed

    def event(self) -> Event:
        if self.value is None or self.version is None:
            raise InvalidEnvelope("a tombstone has no event")
        return lookup(self.type, self.version).model_validate_json(self.value)
