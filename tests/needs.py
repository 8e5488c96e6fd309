"""What a test does when this machine lacks something: skip for a person, fail for CI."""

import os
from collections.abc import Mapping
from typing import NoReturn

import pytest


def unmet(reason: str, environ: Mapping[str, str] = os.environ) -> NoReturn:
    if environ.get("CI"):
        pytest.fail(f"{reason} (CI is set, so this is a failure)", pytrace=False)
    pytest.skip(reason)
