"""Values that must not travel, and still be told apart."""

from __future__ import annotations

import json
from typing import Any

from django.utils.crypto import salted_hmac

from outbox import conf
from schemas import SchemaError
from schemas.encoding import key_text


def hashed(value: Any) -> str:
    """A keyed hash in hexadecimal: equal for equal values, and no way back without the key."""
    key = conf.current().hash_key
    return salted_hmac("outbox.sensitive", _text(value), secret=key, algorithm="sha256").hexdigest()


def _text(value: Any) -> str:
    try:
        return key_text(value)
    except SchemaError:  # no scalar, or an empty text
        return json.dumps(value, sort_keys=True, default=str)
