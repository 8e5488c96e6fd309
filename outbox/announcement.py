"""What a statement that Django sends tells the triggers that it fires: context and suppression."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from psycopg.sql import Literal

from outbox import conf, saving
from outbox.capture import captured_models
from outbox.context import headers
from outbox.errors import InvalidCapture
from outbox.insertion import OWN_WRAPPERS, takes_several
from outbox.spool import SpoolingCursor
from outbox.suppression import is_suppressed

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]

_WRITES = re.compile(
    r"\s*(INSERT(?! INTO outbox_event )|UPDATE|DELETE|MERGE|WITH)\b", re.IGNORECASE
)


def install(connection: BaseDatabaseWrapper) -> None:
    """Stand before the statements of a connection, if there is a trigger to tell; idempotent."""
    found = any(captured.by_trigger for captured in captured_models())
    if found and announce not in connection.execute_wrappers:
        connection.execute_wrappers.append(announce)


def announce(execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Put the announcement before a statement that writes, in the same message."""
    connection, cursor = context["connection"], context["cursor"].cursor
    if many or not isinstance(sql, str) or not _WRITES.match(sql) or _is_streamed(cursor):
        return execute(sql, params, many, context)
    said, suppressed = headers(), _suppressed()
    if not said and not suppressed:
        return execute(sql, params, many, context)
    if not takes_several(connection):
        _require_unsuppressed(sql, suppressed)
        return execute(sql, params, many, context)
    prefix = _announcement(connection, said, suppressed)
    if params is not None:
        prefix = prefix.replace("%", "%%")
    result = execute(prefix + sql, params, many, context)
    cursor.nextset()  # the result of the statement itself
    return result


def _is_streamed(cursor: Any) -> bool:
    # What is captured by statement is told in Python. Only what the database does to other tables
    # on the way goes without.
    return isinstance(cursor, SpoolingCursor)


def _announcement(connection: Any, said: bytes | None, suppressed: list[type[Model]]) -> str:
    labels = ",".join(model._meta.label_lower for model in suppressed)
    texts = {"headers": (said or b"").decode(), "suppressed": labels}
    settings = ", ".join(
        f"set_config('outbox.{name}', {Literal(text).as_string(connection.connection)}, true)"
        for name, text in texts.items()
    )
    # Later statements of the transaction come in other messages, whose time is another.
    time = "set_config('outbox.said_at', extract(epoch FROM statement_timestamp())::text, true)"
    return f"SELECT {settings}, {time}; "


def _suppressed() -> list[type[Model]]:
    models = [captured.model for captured in captured_models() if captured.by_trigger]
    if not saving.is_raw() or conf.current().capture_raw:
        models = [model for model in models if is_suppressed(model)]
    return models


def _require_unsuppressed(sql: str, suppressed: list[type[Model]]) -> None:
    for model in suppressed:
        if model._meta.db_table in sql:
            raise InvalidCapture(
                f"suppress() does not reach the trigger of {model._meta.label} where psycopg binds "
                "values on the server or is in a pipeline; use pgtrigger.ignore()"
            )


OWN_WRAPPERS.add(announce)
