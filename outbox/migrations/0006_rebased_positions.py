from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A position that was moved since it was stored says so."""

    dependencies = [("outbox", "0005_parked")]

    operations = [
        migrations.RemoveConstraint(model_name="position", name="outbox_position_keeper"),
        migrations.AddConstraint(
            model_name="position",
            constraint=models.CheckConstraint(
                condition=models.Q(keeper__in=["database", "kafka", "rebased"]),
                name="outbox_position_keeper",
            ),
        ),
    ]
