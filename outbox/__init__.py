"""A transactional outbox for Django on PostgreSQL."""

from outbox.location import require_own_schemas

require_own_schemas()

from outbox.capture import capture  # noqa: E402
from outbox.context import context  # noqa: E402
from outbox.errors import OutboxError  # noqa: E402
from outbox.links import capture_links  # noqa: E402
from outbox.receivers import receiver  # noqa: E402
from outbox.record import record  # noqa: E402
from outbox.suppression import suppress  # noqa: E402
from schemas import Event  # noqa: E402

__all__ = [
    "Event",
    "OutboxError",
    "capture",
    "capture_links",
    "context",
    "receiver",
    "record",
    "suppress",
]
