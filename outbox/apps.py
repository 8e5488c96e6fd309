"""The Django application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.module_loading import autodiscover_modules

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class OutboxConfig(AppConfig):
    name = "outbox"
    verbose_name = "Transactional outbox"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from outbox import (
            autodetector,
            bypasses,
            checks,
            compilers,
            conf,
            installation,
            operations,
            registration,
            trigger_checks,
        )
        from outbox.capture import captured_models
        from outbox.links import captured_links

        conf.current()
        autodiscover_modules("events")
        for links in captured_links():
            links.follow()
            links.event  # noqa: B018 - a contract that cannot be made stops the start
        for captured in captured_models():
            captured.event  # noqa: B018 - as above
        operations.install()
        compilers.install()
        checks.register()
        bypasses.register()
        trigger_checks.register()
        autodetector.install()
        connection_created.connect(begin_empty, dispatch_uid="outbox.buffer")
        pre_migrate.connect(installation.migration_started, sender=self)
        post_migrate.connect(registration.register, sender=self)


def begin_empty(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """From the first statement on, savepoints are seen; a new connection brings no old events."""
    from outbox import announcement, database
    from outbox.buffer import buffer_of

    if connection.vendor == "postgresql" and connection.alias == database.alias():
        buffer_of(connection).forget()
        announcement.install(connection)
