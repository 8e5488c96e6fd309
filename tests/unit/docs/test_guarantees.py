"""The reference says what is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from publisher.cli import commands
from publisher.config import Config
from publisher.environment import PREFIX
from publisher.health import Health
from publisher.telemetry import Metrics

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"


def names_of_tests() -> set[str]:
    sources = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    return {name for text in sources for name in re.findall(r"def (test_\w+)\(", text)}


def test_every_promise_names_tests_that_exist() -> None:
    rows = [
        line
        for line in (REFERENCE / "guarantees.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| promise")
    ]
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    assert len(rows) > 30
    assert all(named)
    assert {name for names in named for name in names} - names_of_tests() == set()


def test_the_reference_of_the_publisher_has_every_setting_command_and_metric() -> None:
    text = (REFERENCE / "publisher.md").read_text()
    settings = {PREFIX + name.upper() for name in Config.model_fields}
    metrics = {
        sample.name for family in Metrics(Health(), "x").collect() for sample in family.samples
    }
    assert {name for name in settings | metrics if f"`{name}`" not in text} == set()
    assert {name for name in verbs(commands) if f"`outbox-publisher {name}" not in text} == set()


def verbs(group: click.Group, prefix: str = "") -> Iterator[str]:
    """Every command as it is written, such as `position show`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, f"{prefix}{name} ")
        else:
            yield prefix + name


def test_links_between_documents_lead_somewhere() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        (str(document.relative_to(ROOT)), link)
        for document in documents
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
        if not (document.parent / link).exists()
    ]
    assert broken == []
