"""Typed contracts for events, shared by those who record, relay and consume them."""

__version__ = "0.1.0"
