"""The one JSON form of an event, and the one text form of its key."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from schemas.errors import MissingKey, Unencodable

_any: TypeAdapter[object] = TypeAdapter(object)


def encode(event: BaseModel) -> bytes:
    try:
        return event.model_dump_json().encode()
    except Exception as exc:
        raise Unencodable(f"{type(event).__qualname__}: {exc}") from exc


def key_of(event: BaseModel) -> bytes:
    contract = getattr(event, "__contract__", None)
    if contract is None or contract.key is None:
        raise MissingKey(f"{type(event).__qualname__} declares no key")
    text = key_text(getattr(event, contract.key))
    return text.encode()


def key_text(value: object) -> str:
    match value:
        case None | "":
            raise MissingKey("the key is empty")
        case str():
            return value
        case UUID():
            return str(value)
        case _:
            return _any.dump_json(value).decode().strip('"')
