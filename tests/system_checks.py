"""What the system checks of the outbox say; some of Django's own ask the database."""

from collections.abc import Sequence

from django.core.checks import CheckMessage
from django.core.checks.registry import registry


def messages(identifier: str = "", *, databases: Sequence[str] | None = None) -> list[CheckMessage]:
    """Every message, or those of one id, as `manage.py check` would show them."""
    return [
        message
        for check in registry.get_checks()
        if check.__module__ in ("outbox.checks", "outbox.bypasses", "outbox.trigger_checks")
        for message in check(app_configs=None, databases=databases)
        if identifier in (message.id or "")
    ]
