"""`manage.py outbox_models`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.models.signals import post_save
from django.test.utils import isolate_apps

import outbox
from outbox import bypasses
from outbox.capture import captured_models, release
from outbox.coverage import Coverage, changed_by_database, of
from outbox.links import captured_links
from outbox.links import release as release_links
from tests.app.models import Note, Order


def coverage_of(model: type[models.Model]) -> Coverage:
    """An isolated model is not among those that are listed."""
    return of(model, next((each for each in captured_models() if each.model is model), None))


def listed() -> dict[str, Any]:
    out = StringIO()
    call_command("outbox_models", "--format", "json", stdout=out)
    return {each["model"]: each for each in json.loads(out.getvalue())}


def test_every_model_is_listed_with_how_it_is_captured() -> None:
    found = listed()
    assert found["testapp.Article"] == {
        "model": "testapp.Article",
        "topic": "test.articles",
        "capture": "blog.article version 3, key slug",
        "links": [],
        "receivers": [],
        "unseen": [],
    }
    assert found["testapp.Membership"]["capture"] is None
    assert found["testapp.Membership"]["links"] == [
        "testapp.club.members version 1, key club, topic test.club-members",
        "testapp.person.clubs version 1, key person, topic test.person-clubs",
    ]
    assert found["testapp.Note"]["capture"] is None
    assert found["testapp.Page_labels"]["topic"] == "test.page-labels"
    assert found["auth.User"]["capture"] is None
    assert not {"testapp.UrgentOrder", "outbox.Row"} & found.keys()


@isolate_apps("tests.app")
def test_links_are_listed_with_the_model_whose_table_holds_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Isolated(models.Model):
        class Meta:
            abstract, app_label = True, "testapp"

    class Board(Isolated):
        guests: Any = models.ManyToManyField("Guest", through="Opened", related_name="boards")
        hosts: Any = models.ManyToManyField("Guest", through="Long", related_name="hosted")

    class Guest(Isolated): ...

    class Visit(Isolated):
        board = models.ForeignKey(Board, models.CASCADE)
        guest = models.ForeignKey(Guest, models.CASCADE)

    class Opened(Visit):
        class Meta(Isolated.Meta):
            proxy, abstract = True, False

    class Long(Visit):
        nights = models.IntegerField()

    monkeypatch.setattr("outbox.coverage.apps", Board._meta.apps)
    relations: tuple[Any, ...] = (Board.guests, Board.hosts)
    for relation in relations:
        outbox.capture_links(relation, topic="test.visits")
    try:
        found = listed()
    finally:
        for relation in relations:
            release_links(relation)
    topic = "version 1, key board, topic test.visits"
    assert found["testapp.Visit"]["links"] == [
        f"testapp.board.guests {topic}",
        f"testapp.board.hosts {topic}",
    ]
    assert found["testapp.Long"]["links"] == []


def test_receivers_that_record_are_named() -> None:
    @outbox.receiver(post_save, sender=Note)
    def noted(**kwargs: object) -> None:
        return None

    try:
        (name,) = listed()["testapp.Note"]["receivers"]
        assert name.endswith("noted")
    finally:
        post_save.disconnect(noted, sender=Note)


def test_the_table_is_for_people() -> None:
    out = StringIO()
    call_command("outbox_models", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].split()[:2] == ["MODEL", "TOPIC"]
    (order,) = [line for line in lines if line.startswith("testapp.Order ")]
    assert "test.orders" in order
    assert "not captured" in next(line for line in lines if line.startswith("testapp.Note "))


class Querying(models.QuerySet[Any]):
    def move(self) -> None:
        def inner() -> None:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE testapp_branch SET path = ''")

        inner()


class Moving(models.Manager[Any]):
    def get_queryset(self) -> Querying:
        return Querying(self.model, using=self._db)

    @transaction.atomic
    def rebuild(self) -> None:
        connection.cursor().execute("UPDATE testapp_branch SET path = ''")


@contextmanager
def captured(model: type[models.Model], **options: Any) -> Iterator[None]:
    outbox.capture(topic="test.branches", **options)(model)
    try:
        yield
    finally:
        release(model)


@isolate_apps("tests.app")
def test_methods_that_send_sql_of_their_own_are_named() -> None:
    class Tree(models.Model):
        path = models.TextField()

        class Meta:
            app_label, abstract = "testapp", True

        @classmethod
        def roots(cls) -> None:
            connection.cursor()

    class Branch(Tree):
        objects = Moving()

        class Meta:
            app_label = "testapp"

    with captured(Branch):
        (unseen,) = coverage_of(Branch).unseen
    here = __name__
    tree = f"{here}.{Tree.__qualname__}.roots"
    assert unseen == f"SQL of {tree}, {here}.Moving.rebuild, {here}.Querying.move"
    assert coverage_of(Branch).unseen == []


@isolate_apps("tests.app")
def test_a_trigger_sees_for_its_model_what_links_do_not() -> None:
    class Isolated(models.Model):
        class Meta:
            abstract, app_label = True, "testapp"

    class Board(Isolated):
        guests: Any = models.ManyToManyField("Guest", through="Visit")

    class Guest(Isolated): ...

    class Visit(Isolated):
        board = models.ForeignKey(Board, models.CASCADE)
        guest = models.ForeignKey(Guest, models.CASCADE)
        objects = Moving()

    outbox.capture(topic="test.visits", via="trigger")(Visit)
    outbox.capture_links(Board.guests, topic="test.guests")
    try:
        links = [each for each in captured_links() if each.model is Visit]
        model = next(each for each in captured_models() if each.model is Visit)
        assert of(Visit, model).unseen == ["TRUNCATE"]
        sql = f"SQL of {__name__}.Moving.rebuild, {__name__}.Querying.move"
        assert of(Visit, model, links).unseen == ["TRUNCATE", f"by links: {sql}"]
    finally:
        release_links(Board.guests)
        release(Visit)


@isolate_apps("tests.app")
def test_a_manager_that_refuses_to_answer_hides_nothing_else() -> None:
    class Refusing(Moving):
        def get_queryset(self) -> Querying:
            raise LookupError("no tenant")

    class Branch(models.Model):
        objects = Refusing()

        class Meta:
            app_label = "testapp"

    with captured(Branch):
        assert coverage_of(Branch).unseen == [f"SQL of {__name__}.Moving.rebuild"]


def by_the_database(*args: object) -> None:
    """Stands for what Django has from version 6.1 on."""


@pytest.mark.parametrize("name", ["DB_CASCADE", "DB_SET_NULL", "DB_SET_DEFAULT"])
@isolate_apps("tests.app")
def test_what_the_database_does_by_itself_is_an_error(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(models, name):
        monkeypatch.setattr(models, name, by_the_database, raising=False)

    class Child(models.Model):
        order = models.ForeignKey(Order, getattr(models, name), null=True, db_default=None)

        class Meta:
            app_label = "testapp"

    class Grandchild(Child):
        class Meta:
            app_label = "testapp"

    for model in (Child, Grandchild):
        with captured(model):
            faults = [each for each in bypasses.check_relations() if each.obj is model]
            assert [each.id for each in faults] == ["outbox.E008"]
            assert ".order is changed by the database" in faults[0].msg
            (unseen,) = coverage_of(model).unseen
            assert unseen.startswith("order: the database changes the row")


@pytest.mark.parametrize(("name", "count"), [("DB_CASCADE", 1), ("DB_SET_NULL", 0)])
@isolate_apps("tests.app")
def test_what_the_database_does_to_a_column_that_no_event_has_is_no_error(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(models, name):
        monkeypatch.setattr(models, name, by_the_database, raising=False)

    class Child(models.Model):
        order = models.ForeignKey(Order, getattr(models, name), null=True)

        class Meta:
            app_label = "testapp"

    with captured(Child, exclude=["order"]):
        assert len([each for each in bypasses.check_relations() if each.obj is Child]) == count


@isolate_apps("tests.app")
def test_the_cure_for_links_is_no_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(models, "DB_CASCADE"):
        monkeypatch.setattr(models, "DB_CASCADE", by_the_database, raising=False)

    class Isolated(models.Model):
        class Meta:
            abstract, app_label = True, "testapp"

    class Guest(Isolated): ...

    class Board(Isolated):
        guests: Any = models.ManyToManyField(Guest, through="Visit")

    class Visit(Isolated):
        board = models.ForeignKey(Board, models.DB_CASCADE)
        guest = models.ForeignKey(Guest, models.CASCADE)

    outbox.capture_links(Board.guests, topic="test.board-guests")
    try:
        (of_links,) = bypasses.check_relations()
        with captured(Visit):
            of_model, _ = bypasses.check_relations()
    finally:
        release_links(Board.guests)
    assert of_links.hint == "Let Django do it: on_delete=CASCADE, SET_NULL or SET_DEFAULT."
    assert 'via="trigger"' in (of_model.hint or "")


def test_relations_that_django_keeps_are_no_error() -> None:
    assert changed_by_database(Order) == []
