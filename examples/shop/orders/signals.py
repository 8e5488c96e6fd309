from django.dispatch import Signal

parcel_scanned = Signal()
"""Sent with `order` and `place`, by whoever hears of a parcel."""

payment_received = Signal()
"""Sent with `order` and `amount`, inside the transaction that marks the order as paid."""
