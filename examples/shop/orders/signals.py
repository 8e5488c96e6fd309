from django.dispatch import Signal

payment_received = Signal()
"""Sent with `order` and `amount`, inside the transaction that marks the order as paid."""
