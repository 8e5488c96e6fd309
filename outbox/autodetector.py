"""Migrations that make our triggers come when the tables are there, under the names of the code."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import makemigrations, migrate
from django.db.migrations.autodetector import OperationDependency
from django.db.migrations.operations import RenameModel

NAME = "outbox"


class OutboxFirst:
    """A mixin of the autodetector, as pgtrigger's own, before or behind it."""

    generated_operations: dict[str, list[Any]]

    def add_operation(
        self, app_label: str, operation: Any, dependencies: Any = None, beginning: bool = False
    ) -> None:
        if _makes(operation):
            table = OperationDependency("outbox", "row", None, OperationDependency.Type.CREATE)
            dependencies = [*(dependencies or ()), table]
        super().add_operation(app_label, operation, dependencies, beginning)  # type: ignore[misc]

    def _sort_migrations(self) -> None:
        for operations in self.generated_operations.values():
            _around_renames(operations)
        super()._sort_migrations()  # type: ignore[misc]


def install() -> None:
    """Stand before the autodetector of migrations; idempotent."""
    detector: Any = makemigrations.Command.autodetector
    if not issubclass(detector, OutboxFirst):
        detector = type("MigrationAutodetector", (OutboxFirst, detector), {})
    for module in (makemigrations, migrate):
        # pgtrigger derives its own from the first of these, if it comes later.
        setattr(module, "MigrationAutodetector", detector)  # noqa: B010
        module.Command.autodetector = detector


def _around_renames(operations: list[Any]) -> None:
    """A trigger goes while its table has the old name, and comes when it has the new one.

    pgtrigger's operations hold the name of the table, and pass over one that is not there.
    """
    for rename in [each for each in operations if isinstance(each, RenameModel)]:
        for removal in [each for each in operations if _removes(each)]:
            if removal.model_name == rename.new_name_lower:
                operations.remove(removal)
                removal.model_name = rename.old_name_lower
                operations.insert(operations.index(rename), removal)
    operations.sort(key=_makes)


def _makes(operation: Any) -> bool:
    return getattr(getattr(operation, "trigger", None), "name", None) == NAME


def _removes(operation: Any) -> bool:
    return type(operation).__name__ == "RemoveTrigger" and operation.name == NAME
