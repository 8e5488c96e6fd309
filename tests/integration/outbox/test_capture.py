"""Every create, update and delete of a captured model becomes an event."""

import types
import uuid
from decimal import Decimal
from typing import Any, cast

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.models.signals import pre_delete
from django.test.utils import isolate_apps, override_settings
from pydantic import BaseModel

import outbox
from outbox.capture import captured_models, release
from outbox.errors import InvalidCapture
from outbox.patching import reverted
from schemas import Change, key_of
from schemas.errors import DuplicateContract, InvalidContract, MissingKey
from tests.app.models import (
    Answer,
    Article,
    ArticleState,
    Customer,
    Line,
    Note,
    Order,
    Seat,
    UrgentOrder,
)
from tests.stored import operations, stored

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_create_an_update_and_a_delete_are_three_events_and_a_tombstone() -> None:
    order = Order.objects.create(number="7", total=Decimal("1.5"))
    order.number = "8"
    order.save()
    pk = order.pk
    order.delete()
    created, updated, deleted, tombstone = stored()
    state = {"id": pk, "number": "7", "quantity": 1, "total": "1.50", "customer_id": None}
    assert created.json == {"op": "create", "before": None, "after": state, "changed": None}
    state["number"] = "8"
    assert updated.json == {"op": "update", "before": None, "after": state, "changed": ["number"]}
    assert deleted.json == {"op": "delete", "before": state, "after": None, "changed": None}
    assert tombstone.value is None
    assert {row[1:6] for row in stored()} == {
        ("test.orders", str(pk), "testapp.order", 1, str(pk)),
    }


def test_what_is_written_while_the_patches_are_taken_back_is_no_event() -> None:
    with reverted():
        order = Order.objects.create(number="1")
        Order.objects.update(number="2")
    assert (Order.objects.get().number, stored()) == ("2", [])
    order.delete()
    assert operations() == ["delete", "tombstone"]


def test_an_uncaptured_model_records_nothing() -> None:
    note = Note.objects.create()
    note.save()
    note.delete()
    assert stored() == []


def test_the_event_decodes_into_a_change_of_a_contract_made_from_the_columns() -> None:
    customer = Customer.objects.create(name="Ann")
    order = Order.objects.create(number="7", customer=customer)
    event = stored()[0].event
    assert isinstance(event, Change)
    assert event.after is not None
    assert event.after.customer_id == customer.pk
    assert isinstance(event.after.customer_id, uuid.UUID)
    assert type(event.after).__name__ == "OrderState"
    assert key_of(event) == str(order.pk).encode()


def test_type_version_key_and_contract_are_as_the_decorator_says() -> None:
    author = Customer.objects.create(name="Ann")
    Article.objects.create(slug="one", title="One", secret="hidden", author=author)
    (row,) = stored()
    assert row[1:6] == ("test.articles", "one", "blog.article", 3, "one")
    assert row.json["after"] == {"slug": "one", "title": "One", "author": str(author.pk)}
    event = row.event
    assert isinstance(event, Change)
    assert event.after == ArticleState(slug="one", title="One", author=author.pk)


def test_a_composite_primary_key_is_one_key() -> None:
    Seat.objects.create(row="A", number=7)
    seat = Seat.objects.get()
    seat.taken = True
    seat.save()
    seat.delete()
    assert {row.key for row in stored()} == {'["A","7"]'}
    assert operations() == ["create", "update", "delete", "tombstone"]


def test_a_column_whose_name_begins_with_an_underscore_travels_under_it() -> None:
    order = Order.objects.create(number="1")
    Answer.objects.create(question=order, copy="x")
    row = stored()[1]
    assert (row.json["after"]["_order"], row.json["after"]["order"]) == (0, 7)
    event = row.event
    assert isinstance(event, Change)
    assert event.after is not None
    assert (event.after.order_, event.after.order) == (0, 7)


def test_a_changed_primary_key_that_is_saved_is_a_create() -> None:
    order = Order.objects.create(number="1")
    order.pk += 1
    order.save()
    assert operations() == ["create", "create"]
    assert len({row.key for row in stored()}) == 2


def test_a_saved_proxy_is_an_event_of_the_model_behind_it() -> None:
    order = UrgentOrder.objects.create(number="1")
    order.save()
    order.delete()
    assert operations("test.orders") == ["create", "update", "delete", "tombstone"]
    assert {row.type for row in stored()} == {"testapp.order"}


def test_rows_deleted_by_a_cascade_come_child_first_with_their_last_state() -> None:
    order = Order.objects.create(number="1")
    Line.objects.create(order=order, text="a")
    Line.objects.create(order=order, text="b")
    Order.objects.all().delete()
    deleted = [row for row in stored() if row.value and row.json["op"] == "delete"]
    assert [row.topic for row in deleted] == ["test.lines", "test.lines", "test.orders"]
    assert {row.json["before"].get("text") for row in deleted} == {"a", "b", None}


def test_get_or_create_update_or_create_and_related_managers_are_captured() -> None:
    order, _ = Order.objects.get_or_create(number="1")
    Order.objects.update_or_create(number="1", defaults={"quantity": 3})
    order.lines.create(text="x")
    assert operations() == ["create", "update", "create"]
    assert stored()[1].json["after"]["quantity"] == 3


def test_a_failed_save_records_nothing() -> None:
    Article.objects.create(slug="one", title="One")
    with pytest.raises(Exception, match="duplicate key"), transaction.atomic():
        Article.objects.create(slug="one", title="Two")
    assert operations() == ["create"]


class TestDeletes:
    def test_the_state_before_is_that_of_the_row_not_of_memory(self) -> None:
        order = Order.objects.create(number="7")
        order.number = "never saved"
        order.delete()
        assert stored()[1].json["before"]["number"] == "7"

    def test_the_state_before_is_complete_for_an_instance_that_was_never_loaded(self) -> None:
        order = Order.objects.create(number="7", quantity=3)
        Order(pk=order.pk).delete()
        Order.objects.create(pk=order.pk, number="8")
        Order.objects.only("pk").get().delete()
        befores = [row.json["before"] for row in stored() if row.value and row.json["before"]]
        assert [(state["number"], state["quantity"]) for state in befores] == [("7", 3), ("8", 1)]

    def test_a_row_that_is_gone_already_is_no_event(self) -> None:
        order = Order.objects.create(number="7")
        copy = Order.objects.get()
        order.delete()
        copy.delete()
        assert operations() == ["create", "delete", "tombstone"]

    def test_a_receiver_that_changes_the_row_on_its_way_out_is_in_the_state_before(self) -> None:
        def change(instance: Order, **kwargs: object) -> None:
            instance.number = "changed"
            instance.save()

        Order.objects.create(number="7")
        pre_delete.connect(change, sender=Order)
        try:
            Order.objects.all().delete()
        finally:
            pre_delete.disconnect(change, sender=Order)
        assert operations() == ["create", "update", "delete", "tombstone"]
        assert stored()[2].json["before"]["number"] == "changed"

    def test_a_receiver_that_deletes_the_same_row_first_makes_no_second_event(self) -> None:
        def delete(instance: Order, **kwargs: object) -> None:
            pre_delete.disconnect(delete, sender=Order)
            Order.objects.filter(pk=instance.pk).delete()

        Order.objects.create(number="7")
        pre_delete.connect(delete, sender=Order)
        Order.objects.get().delete()
        assert operations() == ["create", "delete", "tombstone"]

    def test_the_key_of_a_delete_is_that_of_the_save_whatever_the_instance_says(self) -> None:
        order = Order.objects.create(number="7")
        Order(pk=str(order.pk)).delete()
        assert len({row.key for row in stored()}) == 1
        assert operations() == ["create", "delete", "tombstone"]


class TestRawSaves:
    """What `loaddata` does."""

    fixture = '[{"model": "testapp.order", "pk": 5, "fields": {"number": "7", "total": "2.50"}}]'

    def load(self) -> None:
        for loaded in serializers.deserialize("json", self.fixture):
            loaded.save()

    def test_a_raw_save_is_captured_by_default_also_in_autocommit(self) -> None:
        assert connection.get_autocommit()
        self.load()
        self.load()
        assert operations() == ["create", "update"]
        assert stored()[0].json["after"]["total"] == "2.50"

    @override_settings(OUTBOX_CAPTURE_RAW=False)
    def test_raw_saves_are_left_out_if_the_setting_says_so(self) -> None:
        self.load()
        Order.objects.create(number="8")
        assert [row.json["after"]["number"] for row in stored()] == ["8"]

    def test_loaddata_of_a_whole_dump_is_captured(self, tmp_path_factory: object) -> None:
        Order.objects.create(number="7")
        assert isinstance(tmp_path_factory, pytest.TempPathFactory)
        path = tmp_path_factory.mktemp("dump") / "orders.json"
        call_command("dumpdata", "testapp.order", output=str(path))
        Order.objects.all().delete()
        call_command("loaddata", str(path), verbosity=0)
        assert operations() == ["create", "delete", "tombstone", "create"]


class TestSuppression:
    def test_a_suppressed_model_records_nothing_and_others_do(self) -> None:
        with outbox.suppress(Order):
            order = Order.objects.create(number="1")
            order.lines.create(text="x")
            UrgentOrder.objects.create(number="2")
            order.delete()
        assert operations("test.orders") == []
        assert operations("test.lines") == ["create", "delete", "tombstone"]

    def test_suppressing_without_models_silences_all(self) -> None:
        with outbox.suppress():
            Order.objects.create(number="1").lines.create(text="x")
        assert stored() == []

    @pytest.mark.parametrize("given", ["testapp.Order", [Order], Order(number="1"), None])
    def test_what_is_no_model_is_refused_rather_than_recorded(self, given: Any) -> None:
        words = "names no model; pass its class"
        with pytest.raises(InvalidCapture, match=words), outbox.suppress(given):
            Order.objects.create(number="1")
        assert stored() == []

    def test_suppressions_nest_and_end(self) -> None:
        with outbox.suppress(Order):
            with outbox.suppress(Line):
                Order.objects.create(number="1").lines.create(text="x")
            Order.objects.get().lines.create(text="y")
        Order.objects.create(number="2")
        assert [row.topic for row in stored()] == ["test.lines", "test.orders"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("model", "reason"),
        [
            (UrgentOrder, "it is a proxy; capture the model behind it"),
            (Order, "it is captured already"),
        ],
    )
    def test_what_cannot_be_captured_is_refused_with_the_cure(
        self, model: type[models.Model], reason: str
    ) -> None:
        with pytest.raises(InvalidCapture, match=reason):
            outbox.capture(topic="test.refused")(model)

    @pytest.mark.parametrize("given", [object, Order(), "testapp.Order"])
    def test_what_is_no_model_is_refused(self, given: Any) -> None:
        with pytest.raises(InvalidCapture, match="cannot be captured: it is no model"):
            outbox.capture(topic="test.refused")(given)

    def test_an_abstract_model_is_refused(self) -> None:
        class Base(models.Model):
            class Meta:
                abstract = True
                app_label = "testapp"

        with pytest.raises(InvalidCapture, match="capture each model that derives from it"):
            outbox.capture(topic="test.refused")(cast("type[models.Model]", Base))

    def test_the_tables_of_the_outbox_itself_are_refused(self) -> None:
        from outbox.models import Row

        with pytest.raises(InvalidCapture, match="part of the outbox"):
            outbox.capture(topic="test.refused")(Row)

    def test_two_ways_to_choose_fields_are_refused(self) -> None:
        with pytest.raises(InvalidCapture, match="keep one of them"):
            outbox.capture(topic="test.refused", fields=["text"], contract=ArticleState)(Note)

    @pytest.mark.parametrize(
        ("options", "cure"),
        [
            ({"fields": "text"}, r"use a list, fields=\['text'\]"),
            ({"exclude": "text"}, r"use a list, exclude=\['text'\]"),
            ({"sensitive": ["text"]}, "use a dictionary such as"),
        ],
    )
    def test_an_argument_of_another_shape_is_refused_with_the_cure(
        self, options: dict[str, Any], cure: str
    ) -> None:
        with pytest.raises(InvalidCapture, match=cure):
            outbox.capture(topic="test.refused", **options)(Note)

    @pytest.mark.parametrize(
        ("options", "fault"),
        [
            ({"type": "Auth.Group"}, "type='Auth.Group' is not a type name"),
            ({"version": 0}, "testapp.note: version=0 is not a version"),
            ({"topic": "a b"}, "testapp.note: topic='a b' is not a name that Kafka accepts"),
        ],
    )
    def test_a_contract_that_is_none_is_refused_with_the_model_named(
        self, options: dict[str, Any], fault: str
    ) -> None:
        with pytest.raises(InvalidContract, match=rf"^testapp\.Note cannot be captured: {fault}"):
            outbox.capture(**{"topic": "test.refused", **options})(Note)
        assert Note not in [each.model for each in captured_models()]

    @isolate_apps("tests.app")
    def test_the_type_is_in_lower_case_whatever_the_application_is_called(self) -> None:
        class Elsewhere(models.Model):
            class Meta:
                app_label = "MyShop"

        outbox.capture(topic="test.elsewhere")(Elsewhere)
        captured = captured_models()[-1]
        release(Elsewhere)
        assert captured.contract.type == "myshop.elsewhere"

    def test_an_unknown_field_is_named_with_those_there_are(self) -> None:
        outbox.capture(topic="test.refused", fields=["txt"])(Note)
        try:
            captured = next(each for each in captured_models() if each.model is Note)
            with pytest.raises(InvalidCapture, match="no column for 'txt'; choose from id, text"):
                _ = captured.payload
        finally:
            release(Note)

    @pytest.mark.parametrize(
        ("options", "given"),
        [
            ({"fields": []}, r"fields=\[\]"),
            ({"exclude": ["id", "text"]}, r"exclude=\['id', 'text'\]"),
            (
                {"fields": ["text"], "sensitive": {"text": "drop"}},
                r"fields=\['text'\], sensitive=\{'text': 'drop'\}",
            ),
        ],
    )
    def test_a_state_without_columns_is_refused(self, options: dict[str, Any], given: str) -> None:
        outbox.capture(topic="test.refused", **options)(Note)
        try:
            captured = next(each for each in captured_models() if each.model is Note)
            words = rf'^testapp\.Note: {given} leaves no column .*fields=\["id"\]$'
            with pytest.raises(InvalidCapture, match=words):
                _ = captured.payload
        finally:
            release(Note)


class Empty(BaseModel):
    """Somebody wants to know that a row was written, and nothing of it."""


@pytest.mark.parametrize(
    ("options", "names"), [({"fields": ["id"]}, ["id"]), ({"contract": Empty}, [])]
)
def test_a_state_may_be_the_key_alone_or_what_a_contract_says(
    options: dict[str, Any], names: list[str]
) -> None:
    outbox.capture(topic="test.notes", **options)(Note)
    try:
        Note.objects.create()
    finally:
        release(Note)
    (row,) = stored()
    assert list(row.json["after"]) == names


def test_a_capture_without_a_topic_is_refused() -> None:
    with pytest.raises(InvalidCapture, match="Note cannot be captured: it needs a topic"):
        outbox.capture(topic=cast("str", None))(Note)


def test_a_row_without_a_key_is_refused_by_the_name_of_its_column() -> None:
    Article.objects.create(slug="one", title="One")
    with pytest.raises(MissingKey, match=r"testapp\.Article: slug: a key cannot be ''"):
        Article.objects.update(slug="")
    assert Article.objects.get().slug == "one"


def test_a_class_of_the_same_name_does_not_take_the_place_of_the_captured_one() -> None:
    with pytest.raises(DuplicateContract):
        types.new_class(
            "OrderChange",
            (outbox.Event,),
            {"type": "testapp.order"},
            lambda body: body.update(__module__="tests.app.models", __qualname__="OrderChange"),
        )


def test_a_model_of_another_application_is_captured_by_a_call() -> None:
    outbox.capture(topic="test.notes", fields=["text", "text"])(Note)
    try:
        Note.objects.create(text="x")
    finally:
        release(Note)
    Note.objects.create(text="y")
    (row,) = stored()
    assert row.json["after"] == {"text": "x"}
