"""The trace that is under way, where OpenTelemetry is installed."""

from __future__ import annotations

try:
    from opentelemetry.context import get_current
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    _propagator = None
else:
    _propagator = TraceContextTextMapPropagator()


NAMES = frozenset({"traceparent", "tracestate"})


def carried() -> dict[str, str]:
    """W3C `traceparent` and `tracestate` of the current span; nothing without a span."""
    carrier: dict[str, str] = {}
    if _propagator is not None and get_current():
        _propagator.inject(carrier)
    return carrier
