"""What a migration leaves in the tables for the publisher: topics, source and schema version."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections, router, transaction

from outbox import conf, installation, topics
from outbox.models import SCHEMA_VERSION, Metadata, Row, Topic


def register(*, using: str, **kwargs: object) -> None:
    """Receives `post_migrate`: make the tables of this database say what this release declares."""
    installation.migration_ended(using=using)
    connection = connections[using]
    if connection.vendor != "postgresql" or not router.allow_migrate_model(using, Row):
        return
    if not installation.has_tables(connection):
        return
    with transaction.atomic(using=using):
        _write_topics(using)
        Metadata.objects.using(using).update_or_create(
            id=1,
            defaults={"schema_version": SCHEMA_VERSION, "source": conf.current().source},
        )


def differences(using: str) -> Iterator[str]:
    """What the tables of this database say otherwise than this release would write, in words."""
    # By column: a release that adds some must be able to ask before it has migrated.
    written = {
        name: (kind, partitions)
        for name, kind, partitions in Topic.objects.using(using).values_list(
            "name", "kind", "partitions"
        )
    }
    declared = {each.name: (each.kind, each.partitions) for each in topics.declared()}
    for name in sorted(written | declared):
        if written.get(name) != declared.get(name):
            yield (
                f"topic {name!r} is {_words(written.get(name))} in the table, "
                f"{_words(declared.get(name))} in the code"
            )
    yield from _differences_of_metadata(using)


def _differences_of_metadata(using: str) -> Iterator[str]:
    rows = Metadata.objects.using(using).values_list("source", "schema_version")
    source, version = rows.first() or (None, None)
    if source != conf.current().source:
        yield f"the source is {source!r} in the table, {conf.current().source!r} in the settings"
    if version != SCHEMA_VERSION:
        yield f"the schema version is {version} in the table, {SCHEMA_VERSION} in the code"


def _words(topic: tuple[str, int] | None) -> str:
    return "{} (partitions: {})".format(*topic) if topic else "missing"


def _write_topics(using: str) -> None:
    declared = topics.declared()
    rows = Topic.objects.using(using)
    rows.exclude(name__in=[topic.name for topic in declared]).delete()
    rows.bulk_create(
        [Topic(name=each.name, kind=each.kind, partitions=each.partitions) for each in declared],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["kind", "partitions"],
    )
