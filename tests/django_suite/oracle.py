"""Whether the events that were recorded so far, applied in order, give the rows."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.models import QuerySet
from psycopg.pq import TransactionStatus

from outbox.buffer import buffer_of
from outbox.capture import captured_models
from outbox.captured import Captured
from outbox.recorded import COLUMNS, Recorded
from schemas import Change

States = dict[str, dict[str, Any]]
"""The state of each key, by topic."""

_GONE = "deleted, its tombstone missing"
_STORED = f"SELECT {', '.join(COLUMNS)} FROM outbox_event ORDER BY id"


class Inconsistent(AssertionError):
    """Events do not follow from each other, or do not give the rows."""


class Oracle:
    """Knows the events of all transactions since it began to watch, of the open one too."""

    def __init__(self) -> None:
        self.comparisons = 0
        self.unreadable: list[str] = []
        self._open: list[Recorded] = []
        self._decoded: dict[UUID, Change[Any]] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Also what is recorded and not written yet, as in a TestCase, which never commits."""
        _empty()
        buffer = buffer_of(connection)
        buffer.watchers.append(self)
        try:
            yield
        finally:
            buffer.watchers.remove(self)

    def added(self, row: Recorded, position: int) -> None:
        self._open.append(row)

    def truncated(self, position: int) -> None:
        del self._open[position:]

    def committed(self) -> None:
        self._open.clear()

    def compare(self, name: str) -> None:
        """Inconsistent unless the events give the rows; notes where nothing can be read."""
        if _is_aborted():
            self.unreadable.append(name)
            return
        self.comparisons += 1
        with _readable():
            compare(self.applied(self.history()), stored_rows())

    def history(self) -> list[Recorded]:
        """Those of other threads included; what is written early is known twice."""
        return list({row.event_id: row for row in [*stored_events(), *self._open]}.values())

    def applied(self, history: Iterable[Recorded]) -> States:
        """What a consumer has who began with nothing."""
        states: States = {captured.topic: {} for captured in captured_models()}
        for row in history:
            _apply(states[row.topic], row.key.decode(), self._change(row))
        return states

    def _change(self, row: Recorded) -> Change[Any] | None:
        if row.is_tombstone:
            return None
        if row.event_id not in self._decoded:
            event = row.event
            assert isinstance(event, Change)
            self._decoded[row.event_id] = event
        return self._decoded[row.event_id]


def forget(tables: Iterable[str]) -> None:
    """Drop the events of tables that are about to be truncated, which tells nobody."""
    emptied = set(tables)
    topics = [each.topic for each in captured_models() if each.model._meta.db_table in emptied]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM outbox_event WHERE topic = ANY(%s)", [topics])


def stored_events() -> list[Recorded]:
    with connection.cursor() as cursor:
        cursor.execute(_STORED)
        return [Recorded._make(map(_plain, row)) for row in cursor.fetchall()]


def stored_rows() -> States:
    """What the tables hold, read without a manager or a converter of Django's."""
    filled = _filled()
    return {
        each.topic: _rows(each) if each.model._meta.db_table in filled else {}
        for each in captured_models()
    }


def compare(got: States, rows: States) -> None:
    for topic, wanted in rows.items():
        for key in got[topic].keys() | wanted.keys():
            known, there = got[topic].get(key), wanted.get(key)
            if known != there:
                raise Inconsistent(
                    f"{topic} {key}: the events give {known!r}, the table holds {there!r}"
                )


def _apply(states: dict[str, Any], key: str, change: Change[Any] | None) -> None:
    before = states.get(key)
    if change is None:
        _require(before is _GONE, "a tombstone of a row that is not deleted", key, before)
        del states[key]
    elif change.op == "delete":
        _require(change.before == before, "a delete of another state than the last", key, before)
        states[key] = _GONE
    else:
        _require((change.op == "create") == (before is None), f"a wrong {change.op}", key, before)
        _require(_differs(change, before), "an update that did not change this", key, before)
        states[key] = change.after


def _differs(change: Change[Any], before: Any) -> bool:
    """Whether `changed` names what differs from the state before."""
    if before is None or change.changed is None:
        return True
    names = type(before).model_fields
    changed = {name for name in names if getattr(before, name) != getattr(change.after, name)}
    return changed == set(change.changed)


def _require(holds: bool, what: str, key: str, before: object) -> None:
    if not holds:
        raise Inconsistent(f"{what}: key {key}, whose last state is {before!r}")


def _is_aborted() -> bool:
    """Whether PostgreSQL refuses every statement until the transaction is rolled back."""
    open_one = connection.connection
    return open_one is not None and open_one.info.transaction_status == TransactionStatus.INERROR


@contextmanager
def _readable() -> Iterator[None]:
    """Also where Django refuses statements, since something has failed that is no statement."""
    refuses, connection.needs_rollback = connection.needs_rollback, False
    try:
        yield
    finally:
        connection.needs_rollback = refuses


def _empty() -> None:
    """Drop what `migrate` wrote by historical models, which are not captured."""
    call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)
    apps.get_model("contenttypes", "ContentType").objects.clear_cache()  # it knows the old ones


def _filled() -> set[str]:
    """The tables that hold rows."""
    quote = connection.ops.quote_name
    tables = [each.model._meta.db_table for each in captured_models()]
    tests = (f"SELECT %s WHERE EXISTS (SELECT FROM {quote(table)})" for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(tests), tables)
        return {table for (table,) in cursor.fetchall()}


def _rows(captured: Captured) -> dict[str, Any]:
    payload = captured.payload
    names = [column.name for column in payload.columns]
    query = QuerySet(captured.model).order_by().values_list(*dict.fromkeys(names)).query
    with connection.cursor() as cursor:
        cursor.execute(*query.sql_with_params())
        found = [dict(zip(dict.fromkeys(names), row, strict=True)) for row in cursor.fetchall()]
    rows = [payload.of_row(row[name] for name in names) for row in found]
    return {payload.key_of(row): payload.state_of(row) for row in rows}


def _plain(value: object) -> object:
    """A value as `Recorded` holds it: identifiers as bytes, too."""
    if isinstance(value, UUID):
        return value.bytes
    return bytes(value) if isinstance(value, memoryview) else value
