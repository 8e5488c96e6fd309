"""`manage.py outbox_models`: what is recorded of each model, and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from outbox.coverage import Coverage, coverage

HEADINGS = ("MODEL", "TOPIC", "CAPTURED AS", "LINKS", "RECEIVERS", "NOT SEEN")


class Command(BaseCommand):
    help = "List every model, how it is captured and what is not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        found = coverage()
        if options["format"] == "json":
            self.stdout.write(json.dumps([asdict(each) for each in found], indent=2))
            return
        for line in _table([HEADINGS, *map(_cells, found)]):
            self.stdout.write(line)


def _cells(found: Coverage) -> tuple[str, ...]:
    lists = (found.links, found.receivers, found.unseen)
    return (
        found.model,
        found.topic or "-",
        found.capture or "not captured",
        *(", ".join(each) or "-" for each in lists),
    )


def _table(rows: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
