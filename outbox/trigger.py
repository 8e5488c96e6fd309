"""The trigger of a model that is captured with via="trigger"."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pgtrigger
from django.db import connections
from django.db.models import Model

from outbox import conf, database
from outbox.errors import InvalidCapture
from outbox.expressions import column_type, expression_of, literal
from outbox.payload import Column

if TYPE_CHECKING:
    from outbox.captured import Captured


_FOUND_BY_ITS_OWN_PATH = """{function};
            DO $outbox$ BEGIN
                EXECUTE 'ALTER FUNCTION {function} SET search_path = ' || (
                    SELECT string_agg(quote_ident(name), ', ' ORDER BY place)
                    FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(name, place)
                ) || ', pg_temp';
            END $outbox$"""


class CaptureTrigger(pgtrigger.Trigger):
    """One row at a time, when the statement is done, in the order in which it wrote them.

    What leaves a key is written before another row of the statement may take it, as the index of
    a key is unique at once; so no event has to wait for those of other rows.
    """

    name = "outbox"
    when = pgtrigger.After
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete

    def __init__(self, captured: Captured) -> None:
        super().__init__()
        self.captured = captured

    def get_pgid(self, model: Model) -> str:
        # PostgreSQL goes by the name. Another trigger may write the row again, and that event has
        # to come after ours.
        return super().get_pgid(model).replace("pgtrigger_", "pgtrigger_0_", 1)

    def render_execute(self, model: Model) -> str:
        """The function finds what the migration found, whatever the writer's search_path is."""
        return _FOUND_BY_ITS_OWN_PATH.format(function=super().render_execute(model))

    def get_func(self, model: Model) -> str:
        """Rendered when a migration is made or compared, when all models are loaded."""
        return Body(self.captured).render()


class Body:
    """What the trigger does, in PL/pgSQL."""

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._payload = captured.payload
        self._quote: Callable[[str], str] = connections[database.alias()].ops.quote_name

    def render(self) -> str:
        label = literal(self._captured.model._meta.label_lower)
        return f"""
            {self._types()}
            IF outbox_is_suppressed({label}) THEN
                RETURN NULL;
            END IF;
            IF TG_OP = 'INSERT' THEN
                {self._record("create", after="NEW")}
            ELSIF TG_OP = 'DELETE' THEN
                {self._record("delete", before="OLD")}
            ELSIF {self._moved()} THEN
                {self._record("delete", before="OLD")}
                {self._record("create", after="NEW")}
            {self._updated()}
            END IF;
            RETURN NULL;
        """

    def _types(self) -> str:
        # A session that knows the function fails where a column has another type since. So that
        # has to be another function.
        types = (column_type(column.field) for column in self._columns())
        return f"/* {', '.join(types)} */"

    def _columns(self) -> Iterable[Column]:
        return dict.fromkeys((*self._payload.fields.values(), *self._payload.key))

    def faults(self) -> Iterator[str]:
        """Why it cannot be rendered."""
        for column in self._columns():
            try:
                if expression_of(column.field).key is None and column in self._payload.key:
                    yield f"{self._name(column)} holds several values, and is no key"
            except InvalidCapture as fault:
                yield str(fault)

    def _updated(self) -> str:
        condition = self._differs() if self._captured.options.skip_unchanged else "TRUE"
        before = "OLD" if self._captured.options.before else None
        record = self._record("update", before=before, after="NEW", changed=self._changed())
        return f"ELSIF {condition} THEN {record}"

    def _record(
        self,
        op: str,
        *,
        before: str | None = None,
        after: str | None = None,
        changed: str = "'null'",
    ) -> str:
        contract, settings = self._captured.contract, conf.current()
        entombed = op == "delete" and settings.tombstones
        value = (
            f"""'{{"op":"{op}","before":' || {self._state(before)} || ',"after":' || """
            f"""{self._state(after)} || ',"changed":' || {changed} || '}}'"""
        )
        return (
            f"PERFORM outbox_record({literal(self._captured.topic)}, {literal(contract.type)}, "
            f"{contract.version}, {self._key(after or before or '')}, {value}, "
            f"{settings.max_event_bytes}, {entombed});"
        )

    def _state(self, row: str | None) -> str:
        if row is None:
            return "'null'"
        members = " || ',' || ".join(
            f"{literal(_json(self._member(name)) + ':')} || {self._json(column, row)}"
            for name, column in self._payload.fields.items()
        )
        return f"'{{' || {members or literal('')} || '}}'"

    def _member(self, name: str) -> str:
        return self._payload.state.model_fields[name].alias or name

    def _json(self, column: Column, row: str) -> str:
        written = expression_of(column.field).json(*self._named(column, row))
        if column.field.null or column.field.generated:
            return f"coalesce({written}, 'null')"
        return written

    def _key(self, row: str) -> str:
        parts = [self._key_text(column, row) for column in self._payload.key]
        if len(parts) == 1:
            return parts[0]
        # A part that is empty leaves no key, as everywhere.
        texts = (f"to_json(nullif({part}, ''))::text" for part in parts)
        return "'[' || " + " || ',' || ".join(texts) + " || ']'"

    def _key_text(self, column: Column, row: str) -> str:
        make = expression_of(column.field).key
        if make is None:
            raise InvalidCapture(f"{self._name(column)} holds several values, and is no key")
        return make(*self._named(column, row))

    def _moved(self) -> str:
        return f'({self._key("OLD")}) COLLATE "C" IS DISTINCT FROM ({self._key("NEW")}) COLLATE "C"'

    def _changed(self) -> str:
        names = ", ".join(
            f"CASE WHEN {self._column_differs(column)} THEN {literal(_json(name))} END"
            for name, column in self._payload.fields.items()
        )
        # No function takes more than 100 arguments.
        return f"'[' || array_to_string(ARRAY[{names}]::text[], ',') || ']'"

    def _differs(self) -> str:
        return " OR ".join(map(self._column_differs, self._payload.fields.values())) or "FALSE"

    def _column_differs(self, column: Column) -> str:
        compared = expression_of(column.field).compared
        old, new = (compared(*self._named(column, row)) for row in ("OLD", "NEW"))
        return f"{old} IS DISTINCT FROM {new}"

    def _named(self, column: Column, row: str) -> tuple[str, str]:
        return f"{row}.{self._quote(str(column.field.column))}", literal(self._name(column))

    def _name(self, column: Column) -> str:
        return f"{self._captured.label}.{column.field.name}"


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
