from __future__ import annotations

from django.db import migrations

from outbox import wake_up


class Migration(migrations.Migration):
    """What wakes a publisher that sleeps."""

    dependencies = [("outbox", "0002_functions")]

    operations = [migrations.RunSQL(wake_up.create(), wake_up.drop())]
