"""Models that are captured in every way there is, and some that are not."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import (
    ArrayField,
    BigIntegerRangeField,
    DateRangeField,
    DateTimeRangeField,
    DecimalRangeField,
)
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Lower, Now, Upper
from pydantic import BaseModel

import outbox


class Note(models.Model):
    """Not captured."""

    text = models.TextField(default="")


class Customer(models.Model):
    """Not captured; the target of relations."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=100)


@outbox.capture(topic="test.orders", exclude=["internal_note"])
class Order(models.Model):
    number = models.CharField(max_length=20)
    quantity = models.IntegerField(default=1)
    total = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    customer = models.ForeignKey(Customer, models.CASCADE, null=True)
    internal_note = models.TextField(default="")


class UrgentOrder(Order):
    class Meta:
        proxy = True


@outbox.capture(topic="test.lines")
class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    text = models.TextField(default="")


class Colour(models.TextChoices):
    RED = "red", "Red"


class Columns(models.Model):
    """One column of each type."""

    uuid = models.UUIDField(default=uuid.uuid4)
    text = models.TextField(default="")
    choice = models.CharField(max_length=10, choices=Colour, default=Colour.RED)
    whole = models.BigIntegerField(default=0)
    number = models.DecimalField(max_digits=12, decimal_places=3, default=Decimal(0))
    real = models.FloatField(default=0.0)
    flag = models.BooleanField(default=False)
    moment = models.DateTimeField(default=datetime(2024, 1, 1, tzinfo=UTC))
    day = models.DateField(null=True)
    time = models.TimeField(null=True)
    duration = models.DurationField(null=True)
    address = models.GenericIPAddressField(null=True)
    blob = models.BinaryField(null=True)
    file = models.FileField(null=True)
    data = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    tags: Any = ArrayField(models.CharField(max_length=10), null=True)
    prices: Any = ArrayField(models.DecimalField(max_digits=6, decimal_places=2), null=True)
    span = BigIntegerRangeField(null=True)
    days = DateRangeField(null=True)
    moments = DateTimeRangeField(null=True)
    amounts = DecimalRangeField(null=True)

    class Meta:
        abstract = True


@outbox.capture(topic="test.specimens")
class Specimen(Columns):
    """Captured as Django writes it."""


@outbox.capture(topic="test.twins", via="trigger")
class Twin(Columns):
    """Captured whoever writes it."""


@outbox.capture(topic="test.counters")
class Counter(models.Model):
    """Columns that the database computes."""

    value = models.IntegerField(default=0)
    started_at = models.DateTimeField(db_default=Now())
    state = models.TextField(db_default="new")
    shouted: Any = models.GeneratedField(
        expression=Upper("state"), output_field=models.TextField(), db_persist=True
    )
    twice: Any = models.GeneratedField(
        expression=F("value") * 2, output_field=models.IntegerField(), db_persist=True
    )


@outbox.capture(topic="test.vehicles")
class Vehicle(models.Model):
    wheels = models.IntegerField(default=4)


class Car(Vehicle):
    """A child that is not captured, of a parent that is."""

    doors = models.IntegerField(default=5)


class FastCar(Car):
    class Meta:
        proxy = True


@outbox.capture(topic="test.lorries")
class Lorry(Vehicle):
    """A captured child of a captured parent."""

    load = models.IntegerField(default=0)


class VehicleView(Vehicle):
    class Meta:
        proxy = True


class Engine(models.Model):
    engine_id = models.AutoField(primary_key=True)
    power = models.IntegerField(default=0)


class Boat(models.Model):
    boat_id = models.AutoField(primary_key=True)
    hull = models.TextField(default="")


@outbox.capture(topic="test.motorboats", fields=["power", "hull", "name"])
class Motorboat(Engine, Boat):
    """A child of two parents, whose state holds no link to them."""

    name = models.TextField(unique=True)


class Yacht(Motorboat):
    """A grandchild that is not captured."""


@outbox.capture(topic="test.tugs", fields=["name", "bollards"], key="name")
class Tug(Motorboat):
    """A captured grandchild, which goes by a column of its parent."""

    bollards = models.IntegerField(default=0)


@outbox.capture(topic="test.switches")
class Switch(models.Model):
    on = models.BooleanField(primary_key=True)
    text = models.TextField(default="")


class Node(models.Model):
    owner: Any = models.ForeignKey("Folder", models.CASCADE, null=True, related_name="+")
    label = models.TextField(default="")


@outbox.capture(topic="test.folders")
class Folder(Node):
    """A child whose parent refers to it: Django knows no order in which to delete them."""

    size = models.IntegerField(default=0)


@outbox.capture(topic="test.codes", key="code")
class Code(models.Model):
    """Its key is computed by the database, and its table has a name that PostgreSQL knows."""

    name = models.TextField()
    code: Any = models.GeneratedField(
        expression=Lower("name"), output_field=models.TextField(), db_persist=True, unique=True
    )

    class Meta:
        db_table = "old"


class Place(models.Model):
    """A parent that is not captured."""

    name = models.TextField()


@outbox.capture(topic="test.restaurants")
class Restaurant(Place):
    stars = models.IntegerField(default=0)


class ArticleState(BaseModel):
    slug: str
    title: str
    author: uuid.UUID | None


@outbox.capture(
    topic="test.articles", type="blog.article", version=3, key="slug", contract=ArticleState
)
class Article(models.Model):
    slug = models.SlugField(unique=True)
    title = models.TextField()
    secret = models.TextField(default="")
    author = models.ForeignKey(Customer, models.SET_NULL, null=True)


@outbox.capture(topic="test.seats")
class Seat(models.Model):
    pk = models.CompositePrimaryKey("row", "number")
    row = models.CharField(max_length=2)
    number = models.IntegerField()
    taken = models.BooleanField(default=False)


@outbox.capture(
    topic="test.members",
    key="number",
    before=True,
    skip_unchanged=True,
    sensitive={"email": "hash", "password": "drop"},
)
class Member(models.Model):
    """Its updates say what was before; some of its columns must not travel as they are."""

    number = models.IntegerField(unique=True)
    name = models.TextField(default="")
    email = models.EmailField(null=True)
    password = models.TextField(default="")
    visits: Any = models.JSONField(default=list)


@outbox.capture(topic="test.ledgers", refresh=True)
class Ledger(models.Model):
    """A trigger counts its changes after they were written."""

    text = models.TextField(default="")
    changes = models.IntegerField(default=0)


@outbox.capture(topic="test.shifts", exclude=["rota"])
class Shift(models.Model):
    """A moment that the project gives, and a column that only Django asks for."""

    starts = models.DateTimeField()
    rota = models.CharField(max_length=20, db_default="weekly")


@outbox.capture(topic="test.meetings", skip_unchanged=True)
class Meeting(models.Model):
    """A moment, and one that the database computes."""

    starts = models.DateTimeField()
    ends: Any = models.GeneratedField(
        expression=Coalesce("starts", "starts"),
        output_field=models.DateTimeField(),
        db_persist=True,
    )


@outbox.capture(topic="test.answers")
class Answer(models.Model):
    """Its rows have an order, in a column whose name begins with an underscore."""

    question = models.ForeignKey(Order, models.CASCADE)
    order = models.IntegerField(default=7)
    copy = models.TextField(default="")

    class Meta:
        order_with_respect_to = "question"


class Label(models.Model):
    name = models.TextField()


@outbox.capture(topic="test.remarks")
class Remark(models.Model):
    """About a row of any model."""

    # Tables of applications without migrations, such as this, are made before those of others.
    about_type = models.ForeignKey(ContentType, models.CASCADE, db_constraint=False)
    about_id = models.BigIntegerField()
    about = GenericForeignKey("about_type", "about_id")
    text = models.TextField(default="")


@outbox.capture(topic="test.talks")
class Talk(models.Model):
    """It has relations of every kind."""

    title = models.TextField(default="")
    speaker = models.ForeignKey(Customer, models.SET_DEFAULT, null=True, default=None)
    tags: Any = models.ManyToManyField(Label, related_name="tagged")
    labels: Any = models.ManyToManyField(Label, through="Listing", related_name="listed")
    remarks = GenericRelation(Remark, "about_id", "about_type")


@outbox.capture(topic="test.listings")
class Listing(models.Model):
    talk = models.ForeignKey(Talk, models.CASCADE)
    label = models.ForeignKey(Label, models.CASCADE)
    rank = models.IntegerField(default=0)


outbox.capture(topic="test.talk-tags")(Talk.tags.through)


class Sealed(models.TextField):  # type: ignore[type-arg]
    """Text that is stored otherwise than memory holds it."""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return value[::-1] if isinstance(value, str) else value

    def from_db_value(self, value: Any, *args: object) -> Any:
        return value and value[::-1]


class Lazy:
    """A value that has to be asked for, and asks the database."""

    def __init__(self, stored: str) -> None:
        self.stored = stored

    def __str__(self) -> str:
        raise LookupError("nobody may ask")

    __repr__ = __str__


class LazyText(models.TextField):  # type: ignore[type-arg]
    """Text that memory holds as something else, which nobody may look at."""

    def from_db_value(self, value: Any, *args: object) -> Any:
        return Lazy(value)

    def get_prep_value(self, value: Any) -> Any:
        return value.stored if isinstance(value, Lazy) else value


class TicketNumber(models.IntegerField):  # type: ignore[type-arg]
    """A number that memory holds as "T-5"; "t-005", "5" and 5 are the same."""

    def from_db_value(self, value: Any, *args: object) -> Any:
        return self.to_python(value)

    def to_python(self, value: Any) -> Any:
        return None if value is None else f"T-{self.get_prep_value(value)}"

    def get_prep_value(self, value: Any) -> Any:
        return int(value.lower().removeprefix("t-")) if isinstance(value, str) else value


@outbox.capture(topic="test.tickets")
class Ticket(models.Model):
    """Two fields that are one thing in memory and another in the table."""

    number = TicketNumber(primary_key=True)
    text = LazyText(default="")
    parent: Any = models.ForeignKey("self", models.CASCADE, null=True)


@outbox.capture(topic="test.shelves", key="code", exclude=["note"], via="trigger")
class Shelf(models.Model):
    """Anybody may write it."""

    code = models.CharField(max_length=20, unique=True)
    label = models.TextField(default="")
    books = models.IntegerField(default=0)
    doubled: Any = models.GeneratedField(
        expression=F("books") * 2, output_field=models.IntegerField(), db_persist=True
    )
    note = models.TextField(null=True)


class Living(models.Manager["Page"]):
    def get_queryset(self) -> models.QuerySet["Page"]:
        return super().get_queryset().filter(dead=False).distinct()


@outbox.capture(topic="test.pages")
class Page(models.Model):
    """Its managers hide some of its rows, and one of its columns is sealed."""

    text = Sealed(default="")
    motto = Sealed(db_default=Value("olleh"))
    dead = models.BooleanField(default=False)
    labels: Any = models.ManyToManyField(Label)

    objects = Living()

    class Meta:
        base_manager_name = "objects"


outbox.capture(topic="test.page-labels")(Page.labels.through)


class Person(models.Model):
    """Has links to its own kind, mutual ones and others."""

    friends: Any = models.ManyToManyField("self")
    follows: Any = models.ManyToManyField("self", symmetrical=False, related_name="followers")


class Club(models.Model):
    """Has links in a table that somebody wrote, and two sides that tell of them."""

    name = models.CharField(max_length=20, primary_key=True)
    members: Any = models.ManyToManyField(Person, through="Membership", related_name="clubs")


class Membership(models.Model):
    club = models.ForeignKey(Club, models.CASCADE)
    person = models.ForeignKey(Person, models.SET_NULL, null=True)
    since = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["club", "person"], name="once")]


outbox.capture_links(Person.friends, topic="test.friends")
outbox.capture_links(Person.follows, topic="test.follows", type="test.follows", version=2)
outbox.capture_links(Club.members, topic="test.club-members")
outbox.capture_links(Person.clubs, topic="test.person-clubs")
