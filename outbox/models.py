"""The tables that `outbox` writes and the publisher reads."""

from __future__ import annotations

from django.db import models
from django.db.models import Func

from outbox.fields import IdentityField, SnapshotField, XidField

SCHEMA_VERSION = 2


class ClockTimestamp(Func):
    function = "clock_timestamp"


class CurrentXactId(Func):
    function = "pg_current_xact_id"


class Row(models.Model):
    """A recorded event, ready to send. A null value is a tombstone."""

    id = IdentityField(primary_key=True)
    xid = XidField(db_default=CurrentXactId(), editable=False)
    event_id = models.UUIDField()
    topic = models.TextField()
    key = models.BinaryField()
    type = models.TextField()
    version = models.IntegerField()
    subject = models.TextField(null=True)
    value = models.BinaryField(null=True)
    headers = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=ClockTimestamp())

    class Meta:
        db_table = "outbox_event"
        default_permissions = ("view",)
        indexes = [models.Index(fields=["xid", "id"], name="outbox_event_xid")]

    def __str__(self) -> str:
        return f"{self.id} {self.type} {self.subject}"


class Position(models.Model):
    """How far a publisher has come: all that `prev` shows is published.

    Where a window is frozen, `now` is its upper snapshot; its rows up to `last_id` are published.
    Where the `keeper` is `kafka`, exactly once, this is a mirror. Where it is `rebased`, it was
    moved since it was stored, and may replace the position of another database in Kafka.
    """

    name = models.TextField(primary_key=True)
    epoch = models.BigIntegerField(db_default=0)
    system_identifier = models.BigIntegerField(null=True)
    timeline = models.IntegerField(null=True)
    prev = SnapshotField(db_default="1:1:")
    now = SnapshotField(null=True)
    last_id = models.BigIntegerField(null=True)
    updated_at = models.DateTimeField(db_default=ClockTimestamp())
    keeper = models.TextField(db_default="database")

    class Meta:
        db_table = "outbox_position"
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(keeper__in=["database", "kafka", "rebased"]),
                name="outbox_position_keeper",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Parked(models.Model):
    """What a publisher has set aside: a key behind a record that Kafka refuses, or (`key` is null)
    a topic that cannot be written.

    Rows of it that were visible at the publisher's position and not at `prev`, `now` and `last_id`
    are not published. Of these, a retry has published those up to id `cursor` that the position
    `until` shows.
    """

    id = models.BigAutoField(primary_key=True)
    publisher = models.TextField()
    topic = models.TextField()
    key = models.BinaryField(null=True)
    row_id = models.BigIntegerField()
    reason = models.TextField()
    since = models.DateTimeField(db_default=ClockTimestamp())
    retries = models.IntegerField(db_default=0)
    prev = SnapshotField()
    now = SnapshotField(null=True)
    last_id = models.BigIntegerField(null=True)
    until_prev = SnapshotField(null=True)
    until_now = SnapshotField(null=True)
    until_last_id = models.BigIntegerField(null=True)
    cursor = models.BigIntegerField(db_default=0)

    class Meta:
        db_table = "outbox_parked"
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["publisher", "topic"],
                condition=models.Q(key__isnull=True),
                name="outbox_parked_topic",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.publisher} {self.topic} from {self.row_id}"


class Request(models.Model):
    """What an operator asks the active publisher to do about something that is parked."""

    id = models.BigAutoField(primary_key=True)
    publisher = models.TextField()
    verb = models.TextField()
    parked_id = models.BigIntegerField()
    row_id = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=ClockTimestamp())
    done_at = models.DateTimeField(null=True)
    outcome = models.TextField(null=True)

    class Meta:
        db_table = "outbox_request"
        default_permissions = ("view", "add")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(verb__in=["retry", "skip"]), name="outbox_request_verb"
            )
        ]
        indexes = [
            models.Index(
                fields=["publisher"],
                condition=models.Q(done_at__isnull=True),
                name="outbox_request_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.parked_id}"


class Topic(models.Model):
    """A topic that this project declares; written by `post_migrate`."""

    name = models.TextField(primary_key=True)
    kind = models.TextField()
    partitions = models.IntegerField()

    class Meta:
        db_table = "outbox_topic"
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["state", "events"]), name="outbox_topic_kind"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Metadata(models.Model):
    """One row: what the publisher has to know about the Django side; written by `post_migrate`."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    schema_version = models.IntegerField()
    source = models.TextField()

    class Meta:
        db_table = "outbox_metadata"
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="outbox_metadata_one_row")
        ]

    def __str__(self) -> str:
        return f"{self.source} (schema {self.schema_version})"
