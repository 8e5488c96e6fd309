"""`manage.py outbox_models`."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import models
from django.db.models.signals import post_save
from django.test.utils import isolate_apps

import outbox
from outbox import checks
from outbox.capture import release
from outbox.coverage import changed_by_database
from tests.app.models import Note, Order


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
        "receivers": [],
        "unseen": [],
    }
    assert found["testapp.Note"]["capture"] is None
    assert found["testapp.Page_labels"]["topic"] == "test.page-labels"
    assert found["auth.User"]["capture"] is None
    assert not {"testapp.UrgentOrder", "outbox.Row"} & found.keys()


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


@pytest.mark.skipif(not hasattr(models, "DB_CASCADE"), reason="Django before 6.1 has none")
@isolate_apps("tests.app")
def test_what_the_database_does_by_itself_is_an_error() -> None:
    class Child(models.Model):
        order = models.ForeignKey(Order, models.DB_CASCADE)

        class Meta:
            app_label = "testapp"

    outbox.capture(topic="test.children")(Child)
    try:
        assert changed_by_database(Child) == ["order"]
        faults = [each for each in checks.check_captured() if each.obj is Child]
        assert [each.id for each in faults] == ["outbox.E008"]
    finally:
        release(Child)


def test_relations_that_django_keeps_are_no_error() -> None:
    assert changed_by_database(Order) == []
