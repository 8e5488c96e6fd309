from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import outbox.fields
import outbox.models
from outbox.errors import UnsupportedDatabase


def require_postgresql(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor != "postgresql":
        raise UnsupportedDatabase.of(schema_editor.connection)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunPython(require_postgresql, migrations.RunPython.noop),
        migrations.CreateModel(
            name="Row",
            fields=[
                ("id", outbox.fields.IdentityField(primary_key=True, serialize=False)),
                (
                    "xid",
                    outbox.fields.XidField(
                        db_default=outbox.models.CurrentXactId(), editable=False
                    ),
                ),
                ("event_id", models.UUIDField()),
                ("topic", models.TextField()),
                ("key", models.BinaryField()),
                ("type", models.TextField()),
                ("version", models.IntegerField()),
                ("subject", models.TextField(null=True)),
                ("value", models.BinaryField(null=True)),
                ("headers", models.BinaryField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=outbox.models.ClockTimestamp()),
                ),
            ],
            options={
                "db_table": "outbox_event",
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["xid", "id"], name="outbox_event_xid")],
            },
        ),
        migrations.CreateModel(
            name="Position",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("epoch", models.BigIntegerField(db_default=0)),
                ("system_identifier", models.BigIntegerField(null=True)),
                ("timeline", models.IntegerField(null=True)),
                ("prev", outbox.fields.SnapshotField(db_default="1:1:")),
                ("now", outbox.fields.SnapshotField(null=True)),
                ("last_id", models.BigIntegerField(null=True)),
                (
                    "updated_at",
                    models.DateTimeField(db_default=outbox.models.ClockTimestamp()),
                ),
            ],
            options={"db_table": "outbox_position", "default_permissions": ("view",)},
        ),
        migrations.CreateModel(
            name="Topic",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("kind", models.TextField()),
                ("partitions", models.IntegerField()),
            ],
            options={
                "db_table": "outbox_topic",
                "default_permissions": ("view",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["state", "events"])),
                        name="outbox_topic_kind",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Metadata",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("schema_version", models.IntegerField()),
                ("source", models.TextField()),
            ],
            options={
                "db_table": "outbox_metadata",
                "default_permissions": ("view",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="outbox_metadata_one_row"
                    )
                ],
            },
        ),
    ]
