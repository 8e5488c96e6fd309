"""Migrations that make our triggers come after those that make the tables of the outbox."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import makemigrations, migrate
from django.db.migrations.autodetector import OperationDependency


class OutboxFirst:
    """A mixin of the autodetector, as pgtrigger's own, before or behind it."""

    def add_operation(
        self, app_label: str, operation: Any, dependencies: Any = None, beginning: bool = False
    ) -> None:
        trigger = getattr(operation, "trigger", None)
        if getattr(trigger, "name", None) == "outbox":
            table = OperationDependency("outbox", "row", None, OperationDependency.Type.CREATE)
            dependencies = [*(dependencies or ()), table]
        super().add_operation(app_label, operation, dependencies, beginning)  # type: ignore[misc]


def install() -> None:
    """Stand before the autodetector of migrations; idempotent."""
    detector: Any = makemigrations.Command.autodetector
    if not issubclass(detector, OutboxFirst):
        detector = type("MigrationAutodetector", (OutboxFirst, detector), {})
    for module in (makemigrations, migrate):
        # pgtrigger derives its own from the first of these, if it comes later.
        setattr(module, "MigrationAutodetector", detector)  # noqa: B010
        module.Command.autodetector = detector
