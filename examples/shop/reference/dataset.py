"""The rows that `pycountry` has for our tables."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import pycountry
from django.db import transaction
from django.db.models import Model

from examples.shop.reference.models import Country, Currency, Language, Subdivision

CHUNK = 500


def rows() -> list[Model]:
    """Every row of every table, not saved."""
    tables = {
        Country: pycountry.countries,
        Subdivision: pycountry.subdivisions,
        Language: pycountry.languages,
        Currency: pycountry.currencies,
    }
    return list(chain.from_iterable(_rows(*table) for table in tables.items()))


def chunks(items: Sequence[Model]) -> Iterator[list[Model]]:
    """As many rows as one transaction takes."""
    remaining = iter(items)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def store(chunk: Iterable[Model]) -> int:
    """Save what is new or different, in one transaction; the number of those rows."""
    written = 0
    with transaction.atomic():
        known = _known(chunk)
        for row in chunk:
            stored = known.get((type(row), row.pk))
            if stored != _values(row):
                row.save(force_insert=stored is None)
                written += 1
    return written


def _rows(model: type[Model], entries: Iterable[Any]) -> Iterator[Model]:
    names = [field.attname for field in model._meta.concrete_fields]
    for entry in entries:
        yield model(**{name: getattr(entry, name, None) or "" for name in names})


def _known(chunk: Iterable[Model]) -> dict[tuple[type[Model], object], tuple[object, ...]]:
    """The values of the rows that are there already; locked, so that their order holds."""
    keys: dict[type[Model], list[object]] = {}
    for row in chunk:
        keys.setdefault(type(row), []).append(row.pk)
    return {
        (model, stored.pk): _values(stored)
        for model, pks in keys.items()
        for stored in model._default_manager.select_for_update().filter(pk__in=pks)
    }


def _values(row: Model) -> tuple[object, ...]:
    return tuple(getattr(row, field.attname) for field in row._meta.concrete_fields)
