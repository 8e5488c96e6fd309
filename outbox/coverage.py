"""Which models are captured, how, and what no capture sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.apps import apps
from django.db import models
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from outbox.autocommit import is_recorder
from outbox.capture import captured_models
from outbox.captured import Captured
from outbox.links import CapturedLinks, captured_links
from outbox.raw_sql import sends_sql

_SIGNALS = (pre_save, post_save, pre_delete, post_delete, m2m_changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What is recorded of one model; `unseen` are ways to write it that are not."""

    model: str
    capture: str | None
    topic: str | None
    links: list[str]
    receivers: list[str]
    unseen: list[str] = field(default_factory=list)


def coverage() -> list[Coverage]:
    """Every model that has a table of its own, those of many-to-many relations included."""
    captured = {each.model: each for each in captured_models()}
    links = captured_links()
    return [
        of(model, captured.get(model), [each for each in links if each.table is model])
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy and model._meta.app_label != "outbox"
    ]


def unique_sets(model: type[Model]) -> list[set[str]]:
    """Names of the columns that are unique together, whatever they hold."""
    meta = model._meta
    together = [*meta.unique_together, *(each.fields for each in meta.total_unique_constraints)]
    return [
        *({field.name} for field in meta.concrete_fields if field.unique),
        {field.name for field in meta.pk_fields},
        # They may name a column, "order_id", as well as a field.
        *({meta.get_field(name).name for name in names} for names in together),
    ]


def changed_by_database(model: type[Model]) -> list[str]:
    """Relations whose rows PostgreSQL changes by itself when their target is deleted."""
    kinds = {
        getattr(models, name)
        for name in ("DB_CASCADE", "DB_SET_NULL", "DB_SET_DEFAULT")
        if hasattr(models, name)
    }
    return [
        each.name
        for each in model._meta.concrete_fields
        if each.remote_field is not None and getattr(each.remote_field, "on_delete", None) in kinds
    ]


def of(
    model: type[Model], captured: Captured | None, links: Sequence[CapturedLinks] = ()
) -> Coverage:
    return Coverage(
        model=model._meta.label,
        capture=_described(captured) if captured else None,
        topic=captured.topic if captured else None,
        links=[_links_described(each) for each in links],
        receivers=list(_receivers(model)),
        unseen=list(_unseen(model, captured, links)) if captured or links else [],
    )


def _described(captured: Captured) -> str:
    key = ", ".join(column.field.name for column in captured.payload.key)
    by_trigger = ", by trigger" if captured.by_trigger else ""
    return f"{captured.contract.type} version {captured.contract.version}, key {key}{by_trigger}"


def _links_described(links: CapturedLinks) -> str:
    contract, key = links.contract, links.ends[0].field.name
    return f"{contract.type} version {contract.version}, key {key}, topic {links.topic}"


def _receivers(model: type[Model]) -> Iterator[str]:
    for signal in _SIGNALS:
        for receiver in signal._live_receivers(model)[0]:
            if is_recorder(receiver):
                yield getattr(receiver, "__qualname__", repr(receiver))


def _unseen(
    model: type[Model], captured: Captured | None, links: Sequence[CapturedLinks]
) -> Iterator[str]:
    around = list(_around_statements(model))
    if not captured or not captured.by_trigger:
        yield from around
        return
    yield "TRUNCATE"
    if links:
        yield from (f"by links: {each}" for each in around)


def _around_statements(model: type[Model]) -> Iterator[str]:
    for name in changed_by_database(model):
        yield f"{name}: the database changes the row when its target is deleted"
    if methods := sends_sql(model):
        yield f"SQL of {', '.join(methods)}"
