"""The key of an event, out of the columns that a row goes by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from schemas.encoding import key_text


def text_of(values: Sequence[Any]) -> str:
    """The text of the key: of several columns, a JSON array of their texts."""
    if len(values) == 1:
        return key_text(values[0])
    parts = [key_text(value) for value in values]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
