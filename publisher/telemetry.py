"""Metrics for Prometheus, and logs without a line per event."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from publisher.health import Health


class Metrics(Collector):
    """Reads a publisher's health at every scrape, so that lag grows while nothing moves."""

    def __init__(self, health: Health, name: str) -> None:
        self._health = health
        self._name = name

    def collect(self) -> Iterator[Metric]:
        health = self._health
        for what, text, value in (
            ("lag_seconds", "Age of the oldest row that is not published.", health.lag_seconds),
            ("lag_rows", "Rows not published, counted up to 100000.", health.lag_rows),
            ("position_age_seconds", "Time since the position was right.", health.position_age),
            ("prune_age_seconds", "Time since all was removed that may go.", health.prune_age),
            ("set_aside", "Keys and topics that are set aside.", len(health.parked)),
            ("ready", "1 while nothing stands in the way.", health.ready),
            ("active", "1 while this process holds the position.", health.active),
        ):
            yield self._gauge(what, text, value)
        for what, text, count in (
            ("records_acknowledged", "Records that Kafka acknowledged.", health.acknowledged),
            ("rows_pruned", "Published rows that were removed.", health.pruned),
            ("waits", "Turns that ended in a wait for what was missing.", health.waits),
        ):
            yield self._counter(what, text, count)

    def _gauge(self, what: str, text: str, value: float | None) -> Metric:
        """A value that is unknown is absent: zero would be a lie that no alert sees."""
        family = GaugeMetricFamily(f"outbox_publisher_{what}", text, labels=["name"])
        if value is not None:
            family.add_metric([self._name], float(value))
        return family

    def _counter(self, what: str, text: str, value: int) -> Metric:
        family = CounterMetricFamily(f"outbox_publisher_{what}", text, labels=["name"])
        family.add_metric([self._name], value)
        return family


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure_logs(*, style: str, level: str) -> None:
    """Write structured lines to standard error.

    The Kafka client, which repeats itself for as long as an outage lasts, speaks at level `debug`
    only: its last error is part of what the publisher waits for.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_formatter(style))
    if level != "debug":
        handler.addFilter(_not_from_kafka)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("publisher").setLevel(level.upper())
    # What psycopg warns of, it found while it cleaned up behind an error that is told already.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _formatter(style: str) -> logging.Formatter:
    renderer = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )


def _not_from_kafka(record: logging.LogRecord) -> bool:
    return record.name != "kafka" and not record.name.startswith("kafka.")
