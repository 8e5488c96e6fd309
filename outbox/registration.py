"""What a migration leaves in the tables for the publisher: topics, source and schema version."""

from __future__ import annotations

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
