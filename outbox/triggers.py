"""Triggers that django-pgtrigger installs, where it is installed itself."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from outbox.errors import InvalidCapture

if TYPE_CHECKING:
    from outbox.captured import Captured
    from outbox.trigger import CaptureTrigger


def trigger_of(captured: Captured) -> CaptureTrigger:
    """What captures a model in the database; InvalidCapture without the library."""
    if find_spec("pgtrigger") is None:
        raise InvalidCapture(
            f'{captured.label} cannot be captured with via="trigger" without django-pgtrigger; '
            "pip install 'django-outbox-bridge[triggers]', and add 'pgtrigger' to INSTALLED_APPS"
        )
    from outbox.trigger import CaptureTrigger

    return CaptureTrigger(captured)
