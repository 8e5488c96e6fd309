"""The event of the stress test; its topic is new in each run."""

import os
from uuid import UUID

from schemas import Event

TOPIC = os.environ.get("STRESS_TOPIC", "stress")


class Changed(Event, type="stress.changed", topic=TOPIC, key="row"):
    """The n-th change of a row; `mark` tells it from one that was rolled back."""

    row: int
    n: int
    mark: UUID
