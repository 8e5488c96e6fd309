from __future__ import annotations

from django.db import migrations, models

import outbox.fields
import outbox.models


class Migration(migrations.Migration):
    """What a publisher sets aside, and what it is asked to do about it."""

    dependencies = [
        ("outbox", "0004_position_keeper"),
    ]

    operations = [
        migrations.CreateModel(
            name="Parked",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("publisher", models.TextField()),
                ("topic", models.TextField()),
                ("key", models.BinaryField(null=True)),
                ("row_id", models.BigIntegerField()),
                ("reason", models.TextField()),
                ("since", models.DateTimeField(db_default=outbox.models.ClockTimestamp())),
                ("retries", models.IntegerField(db_default=0)),
                ("prev", outbox.fields.SnapshotField()),
                ("now", outbox.fields.SnapshotField(null=True)),
                ("last_id", models.BigIntegerField(null=True)),
                ("until_prev", outbox.fields.SnapshotField(null=True)),
                ("until_now", outbox.fields.SnapshotField(null=True)),
                ("until_last_id", models.BigIntegerField(null=True)),
                ("cursor", models.BigIntegerField(db_default=0)),
            ],
            options={
                "db_table": "outbox_parked",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("key__isnull", True)),
                        fields=("publisher", "topic"),
                        name="outbox_parked_topic",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Request",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("publisher", models.TextField()),
                ("verb", models.TextField()),
                ("parked_id", models.BigIntegerField()),
                ("row_id", models.BigIntegerField()),
                ("created_at", models.DateTimeField(db_default=outbox.models.ClockTimestamp())),
                ("done_at", models.DateTimeField(null=True)),
                ("outcome", models.TextField(null=True)),
            ],
            options={
                "db_table": "outbox_request",
                "default_permissions": ("view", "add"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at__isnull", True)),
                        fields=["publisher"],
                        name="outbox_request_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("verb__in", ["retry", "skip"])),
                        name="outbox_request_verb",
                    )
                ],
            },
        ),
    ]
