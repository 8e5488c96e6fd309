"""What JSON may hold and its readers in Python refuse: an event of that kind could not be read."""

from __future__ import annotations

from pydantic_core import from_json

LEVELS = 200  # of pydantic's parser
DIGITS = 4300  # of every int() in Python, unless it is told otherwise

_LEAST_TOO_LONG = 10**DIGITS
_ZEROS = b"0" * (DIGITS + 1)
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)


def is_too_long(value: object) -> bool:
    return isinstance(value, int) and not -_LEAST_TOO_LONG < value < _LEAST_TOO_LONG


def has_many_digits(text: bytes) -> bool:
    """Whether there may be a number that is too long; digits in a string look the same."""
    return len(text) > DIGITS and _ZEROS in text.translate(_DIGITS_AS_ZEROS)


def is_too_deep(text: bytes) -> bool:
    return text.count(b"[") + text.count(b"{") > LEVELS and refusal(text) is not None


def refusal(text: bytes) -> str | None:
    """Why the text cannot be read; None if it can be."""
    try:
        from_json(text)
    except ValueError as exc:
        return str(exc)
    return None
