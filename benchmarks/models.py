"""Two tables of the same shape, one of them captured."""

from django.db import models

import outbox


class Row(models.Model):
    """What a business transaction writes: about 400 bytes."""

    number = models.CharField(max_length=20)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    quantity = models.IntegerField(default=1)
    placed_at = models.DateTimeField()
    note = models.TextField()

    class Meta:
        abstract = True


class Plain(Row):
    pass


@outbox.capture(topic="benchmark.recorded")
class Recorded(Row):
    pass
