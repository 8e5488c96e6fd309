"""What the tests of the outbox share."""

from collections.abc import Iterator

import pytest

from tests.signals import receivers_restored


@pytest.fixture
def receivers_of_the_test() -> Iterator[None]:
    """Receivers that the test connects, to `tests.signals` and Django's, end with it."""
    with receivers_restored():
        yield
