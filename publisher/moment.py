"""A moment as operators write it."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=3650)
"""An age is shorter than this."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def parse_age(text: str) -> timedelta | None:
    """Read an age such as `90s 30m 1h 7d`; None where it is none."""
    age = re.fullmatch(r"(\d+)([smhd])", text, re.ASCII)
    return timedelta(**{_UNITS[age[2]]: int(age[1])}) if age else None


def parse_moment(text: str, now: datetime) -> datetime:
    """Read `now`, `beginning`, an age such as `90s 30m 1h 7d`, or an ISO 8601 time (UTC if bare).

    Raises `ValueError`.
    """
    if text in {"now", "beginning"}:
        return now if text == "now" else _BEGINNING
    age = parse_age(text)
    if age is not None:
        return now - age
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def moment_option(ctx: click.Context, param: click.Parameter, value: str) -> datetime:
    """Read an option's value, for `click.option(callback=...)`."""
    try:
        return parse_moment(value, datetime.now(UTC))
    except (ValueError, OverflowError) as exc:
        raise click.BadParameter(
            f"{value!r} is not a moment: write 90s, 30m, 1h, 7d, now, beginning, or an ISO 8601 "
            "time such as 2026-01-31T12:00:00Z"
        ) from exc


def age_option(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    """Read an option that is an age, or not given, for `click.option(callback=...)`."""
    if value is None:
        return None
    with suppress(OverflowError):
        if (age := parse_age(value)) is not None and age < LONGEST:
            return age
    raise click.BadParameter(f"{value!r} is not an age: write 90s, 30m, 1h or 7d")
