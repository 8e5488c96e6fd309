from __future__ import annotations

from django.db import migrations

from outbox import functions


class Migration(migrations.Migration):
    """What models captured with via="trigger" need in the database."""

    dependencies = [("outbox", "0001_initial")]

    operations = [migrations.RunSQL(functions.create(), functions.drop())]
