"""Writing to tables that are captured by a trigger, past Django."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import Model

import outbox
from outbox.capture import release

INSERT = "INSERT INTO testapp_shelf (code, label, books) VALUES (%s, %s, 1)"


def execute(sql: str, *params: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)


@contextmanager
def made(model: type[Model], *, via: Any = "trigger", **options: Any) -> Iterator[None]:
    """A table of the test's own, captured."""
    outbox.capture(topic=f"test.{model.__name__.lower()}", via=via, **options)(model)
    try:
        with connection.schema_editor() as editor:
            editor.create_model(model)
        yield
    finally:
        release(model)
