"""A machine that lacks something: a person is told, CI fails."""

import pytest

from tests.needs import unmet


def test_a_person_sees_the_reason_of_a_skip() -> None:
    with pytest.raises(pytest.skip.Exception, match="no Java"):
        unmet("no Java", {})


def test_ci_fails_instead_of_skipping() -> None:
    with pytest.raises(pytest.fail.Exception, match="no Java"):
        unmet("no Java", {"CI": "true"})
