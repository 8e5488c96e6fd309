from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Exactly once, Kafka keeps the position and the table mirrors it."""

    dependencies = [("outbox", "0003_wake_up")]

    operations = [
        migrations.AddField(
            model_name="position",
            name="keeper",
            field=models.TextField(db_default="database"),
        ),
        migrations.AddConstraint(
            model_name="position",
            constraint=models.CheckConstraint(
                condition=models.Q(keeper__in=["database", "kafka"]), name="outbox_position_keeper"
            ),
        ),
    ]
