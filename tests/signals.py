"""Signals of the suite's own, and what Django's have beside the receivers of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.dispatch import Signal

paid = Signal()
asked = Signal()

_ALL = (paid, asked, post_save, pre_save, m2m_changed, user_logged_in, user_login_failed)


@contextmanager
def receivers_restored() -> Iterator[None]:
    """What is connected inside is connected no longer at the end."""
    before = {signal: list(signal.receivers) for signal in _ALL}
    try:
        yield
    finally:
        for signal, receivers in before.items():
            signal.receivers[:] = receivers
            signal.sender_receivers_cache.clear()
