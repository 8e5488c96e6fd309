"""The event of the stress test; its topic is new in each run."""

import os

from schemas import Event


class Changed(
    Event, type="stress.changed", topic=os.environ.get("STRESS_TOPIC", "stress"), key="row"
):
    row: int
    n: int
