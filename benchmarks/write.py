"""What recording costs the transaction that records."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.database import outbox_database
from benchmarks.figures import Figure, Goal
from local.postgres import postgres

if TYPE_CHECKING:
    from benchmarks.models import Row

REPEATS, WARM_UP = 600, 100
BULK, BULK_REPEATS = 10_000, 7

Say = Callable[[str], None]
Act = Callable[[], object]


def measure(say: Say) -> list[Figure]:
    """Time transactions with and without events in turns, and bulks of both."""
    with postgres() as server, outbox_database(server, models=True) as url:
        say(f"write: {server!r}, {REPEATS} transactions of each kind in turns")
        with _django(url):
            one, twenty = _extra(1, say), _extra(20, say)
            return figures(one, twenty, _uncaptured(say), *_bulks(say))


def figures(
    one: float, twenty: float, uncaptured: float, bulk: float, saves: float
) -> list[Figure]:
    """The ratios, under their names."""
    return [
        Figure("write.extra_per_event_1.vs_create", one, Goal("<=", 0.6)),
        Figure("write.extra_per_event_20.vs_create", twenty, Goal("<=", 0.2)),
        Figure("write.uncaptured_create.vs_without_outbox", uncaptured, Goal("<=", 1.05)),
        Figure("write.bulk_create_10k.vs_uncaptured", bulk, Goal("<=", 2)),
        Figure("write.update_10k.saves_vs_update", saves, Goal(">=", 10)),
    ]


@contextmanager
def _django(url: str) -> Iterator[None]:
    os.environ.update(DATABASE_URL=url, DJANGO_SETTINGS_MODULE="benchmarks.settings")
    import django
    from django.db import connection

    django.setup()
    try:
        yield
    finally:
        connection.close()


def _extra(events: int, say: Say) -> float:
    """What each event adds to its transaction, in units of `create()` in autocommit."""
    from benchmarks.models import Plain, Recorded

    create, plain, recorded = _medians(
        lambda: Plain.objects.create(**_values(0)),
        partial(_transaction, Plain, events),
        partial(_transaction, Recorded, events),
    )
    extra = (recorded - plain) / events
    say(
        f"{events} in a transaction: create() {_us(create)}, without events {_us(plain)}, with "
        f"{_us(recorded)}: {_us(extra)} more for each event"
    )
    return extra / create


def _uncaptured(say: Say) -> float:
    """`create()` of a model that nobody captures, over the same without our patches of Django."""
    from benchmarks.models import Plain
    from outbox.patching import reverted

    patched, untouched = [], []
    for _ in range(WARM_UP + REPEATS):
        patched.append(_seconds(lambda: Plain.objects.create(**_values(0))))
        with reverted():
            untouched.append(_seconds(lambda: Plain.objects.create(**_values(0))))
    with_us, without = median(patched[WARM_UP:]), median(untouched[WARM_UP:])
    say(f"create() of an uncaptured model: {_us(with_us)}, without the outbox {_us(without)}")
    return with_us / without


def _bulks(say: Say) -> tuple[float, float]:
    from benchmarks.models import Plain, Recorded

    plain, recorded = _medians(
        lambda: Plain.objects.bulk_create(_rows(Plain)),
        lambda: Recorded.objects.bulk_create(_rows(Recorded)),
        repeats=BULK_REPEATS,
    )
    say(f"bulk_create of {BULK:,}: {_us(plain)} uncaptured, {_us(recorded)} captured")
    _empty(Recorded)
    Recorded.objects.bulk_create(_rows(Recorded))
    update, saves = _seconds(lambda: Recorded.objects.update(quantity=2)), _seconds(_save_all)
    say(f"QuerySet.update of {BULK:,}: {_us(update)}, saved one by one {_us(saves)}")
    return recorded / plain, saves / update


def _medians(*acts: Act, repeats: int = REPEATS) -> list[float]:
    """Seconds of each act, done in turns so that a drift of the machine meets all of them."""
    times: list[list[float]] = [[] for _ in acts]
    for repeat in range(repeats + min(WARM_UP, repeats // 3)):
        for act, found in zip(acts, times, strict=True):
            seconds = _seconds(act)
            if repeat >= min(WARM_UP, repeats // 3):
                found.append(seconds)
    return [median(found) for found in times]


def _seconds(act: Act) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _transaction(model: Any, events: int) -> None:
    from django.db import transaction

    with transaction.atomic():
        for number in range(events):
            model.objects.create(**_values(number))


def _save_all() -> None:
    from benchmarks.models import Recorded

    for row in Recorded.objects.all():
        row.quantity = 3
        row.save()


def _empty(model: Any) -> None:
    model.objects.all()._raw_delete(model.objects.db)


def _rows(model: Callable[..., Row]) -> list[Any]:
    return [model(**_values(number)) for number in range(BULK)]


def _values(number: int) -> dict[str, Any]:
    return {
        "number": f"order-{number}",
        "total": Decimal("19.90"),
        "placed_at": datetime(2026, 1, 1, tzinfo=UTC),
        "note": "x" * 300,
    }


def _us(seconds: float) -> str:
    return f"{seconds * 1_000_000:,.0f} us"
