"""What the type checker takes as Django's settings: the suite, and the shop beside it."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as SUITE

INSTALLED_APPS = [
    *SUITE,
    "benchmarks",
    "examples.shop.reference",
    "examples.shop.customers",
    "examples.shop.orders",
]
