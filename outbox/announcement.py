"""What a statement that Django sends tells the triggers that it fires: context and suppression."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import Composable, Literal

from outbox import conf, saving
from outbox.capture import captured_models
from outbox.captured import Captured
from outbox.context import headers
from outbox.errors import InvalidCapture
from outbox.insertion import OWN_WRAPPERS, takes_several
from outbox.spool import SpoolingCursor
from outbox.suppression import is_suppressed

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]

_WRITES = re.compile(
    r"(?>\s|--[^\n]*\n|/\*.*?\*/)*+(INSERT(?! INTO outbox_event )|UPDATE|DELETE|MERGE|WITH)\b",
    re.IGNORECASE | re.DOTALL,
)


def install(connection: BaseDatabaseWrapper) -> None:
    """Stand before the statements of a connection, if there is a trigger to tell; idempotent."""
    found = any(captured.by_trigger for captured in captured_models())
    if found and announce not in connection.execute_wrappers:
        # Not at the end: who opens the connection inside a wrapper of his own takes that away.
        connection.execute_wrappers.insert(0, announce)


def announce(execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Put the announcement before a statement that writes, in the same message."""
    connection, cursor = context["connection"], context["cursor"].cursor
    text = _text(connection, sql)
    if not _WRITES.match(text) or _is_streamed(cursor) or _is_on_server(cursor):
        return execute(sql, params, many, context)
    said, suppressed = headers(), _suppressed()
    if not said and not suppressed:
        return execute(sql, params, many, context)
    if many or not takes_several(connection):
        _require_unsuppressed(text, suppressed)
        return execute(sql, params, many, context)
    prefix = _announcement(connection, said, suppressed)
    if params is not None:
        prefix = prefix.replace("%", "%%")
    result = execute(prefix + text, params, many, context)
    cursor.nextset()  # the result of the statement itself
    return result


def _text(connection: Any, sql: object) -> str:
    """Empty for a form that psycopg takes and nobody here knows."""
    match sql:
        case str():
            return sql
        case bytes():
            return sql.decode(connection.connection.info.encoding)
        case Composable():
            return sql.as_string(connection.connection)
        case _:
            return ""


def _is_streamed(cursor: Any) -> bool:
    # What is captured by statement is told in Python. Only what the database does to other tables
    # on the way goes without.
    return isinstance(cursor, SpoolingCursor)


def _is_on_server(cursor: Any) -> bool:
    # DECLARE goes before the first statement only. A cursor on the server writes nothing itself.
    return getattr(cursor, "name", None) is not None


def _announcement(connection: Any, said: bytes | None, suppressed: list[Captured]) -> str:
    labels = ",".join(captured.model._meta.label_lower for captured in suppressed)
    texts = {"headers": (said or b"").decode(), "suppressed": labels}
    settings = ", ".join(
        f"set_config('outbox.{name}', {Literal(text).as_string(connection.connection)}, true)"
        for name, text in texts.items()
    )
    # Later statements of the transaction come in other messages, whose time is another.
    time = "set_config('outbox.said_at', extract(epoch FROM statement_timestamp())::text, true)"
    return f"SELECT {settings}, {time}; "


def _suppressed() -> list[Captured]:
    found = [captured for captured in captured_models() if captured.by_trigger]
    if not saving.is_raw() or conf.current().capture_raw:
        found = [captured for captured in found if is_suppressed(captured.model)]
    return found


def _require_unsuppressed(sql: str, suppressed: list[Captured]) -> None:
    for captured in suppressed:
        model = captured.model
        if model._meta.db_table in sql:
            name = captured.trigger.get_pgid(model)
            raise InvalidCapture(
                f"suppress() does not reach the trigger of {captured.label} with executemany(), "
                "nor where psycopg binds values on the server or is in a pipeline; let the "
                f"transaction SELECT set_config('pgtrigger.ignore', '{{{name}}}', true) instead"
            )


OWN_WRAPPERS.add(announce)
