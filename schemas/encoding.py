"""The one JSON form of an event, and the one text form of its key."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import Enum
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json, to_jsonable_python

from schemas import canonical, culprit
from schemas.errors import MissingKey, SchemaError, Unencodable
from schemas.event import Event


def encode(event: BaseModel) -> bytes:
    """Return the canonical JSON of an event in UTF-8; the same event gives the same bytes.

    `Unencodable` names the contract, the field, its value and the cure; `InvalidContract` names
    a field whose type cannot travel.
    """
    serializer = canonical.serializer(type(event))
    try:
        text = serializer.to_json(event, by_alias=True, warnings="error")
    except Exception as exc:
        raise Unencodable(culprit.of_failure(event, exc)) from None  # pydantic's quotes values
    if found := culprit.of_text(event, text):
        raise Unencodable(found)
    return text


def key_of(event: Event) -> bytes:
    """Return the key of an event: the text of the field that its contract names, in UTF-8.

    `MissingKey` if its contract names none, or the field is None or empty.
    """
    contract = getattr(event, "__contract__", None)
    if contract is None or contract.key is None:
        raise MissingKey(
            f"{culprit.title(event)} names no key; "
            'add one to its class line, such as key="order_id" beside its type'
        )
    try:
        return key_text(event.__key_value__(contract.key)).encode()
    except SchemaError as exc:
        raise type(exc)(f"{culprit.title(event)}: {contract.key}: {exc}") from None


def key_text(value: object) -> str:
    """Return the one text that stands for a key, whatever type it has in Python.

    A string is its own text, an int is decimal, a UUID lower case with hyphens, a datetime in UTC,
    a Decimal without exponent and trailing zeros; all others are their JSON without quotes.
    `MissingKey` for None and the empty string, `Unencodable` for what is not a scalar and for a
    text that cannot be stored.
    """
    if type(value) is int and value.bit_length() < 64:
        return str(value)
    text = _scalar_text(value)
    if not text:
        raise MissingKey(f"a key cannot be {value!r}; set the field that is the key")
    if not text.isascii() and (reason := culprit.reason(text)):
        raise _no_key(text, reason)
    if "\0" in text:
        raise _no_key(text, "it has a NUL, which no text of PostgreSQL holds; leave it out")
    return text


def _scalar_text(value: object) -> str:
    match value:
        case None:
            return ""
        case Enum():
            return _scalar_text(value.value)
        case str() | UUID():
            return str(value)
        case Decimal() if value.is_finite():
            return _decimal_text(value)
        case _:
            return _json_text(value)


def _decimal_text(value: Decimal) -> str:
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _json_text(value: object) -> str:
    try:
        text = to_jsonable_python(canonical.plain(value))
        if isinstance(text, float):
            return to_json(text).decode()  # as in the value, which is not how Python writes it
        if not isinstance(text, list | dict):
            return text if isinstance(text, str) else json.dumps(text)
    except ValueError as exc:
        raise _no_key(value, culprit.reason(value) or exc) from None
    raise _no_key(value, "it is not one value; choose a part of it")


def _no_key(value: object, reason: object) -> Unencodable:
    return Unencodable(f"a key cannot be {culprit.shown(value)}: {reason}")
