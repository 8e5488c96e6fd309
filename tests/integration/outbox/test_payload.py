"""The payload is the row as the database holds it, whatever memory was given."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test.utils import isolate_apps, override_settings
from django.utils.translation import gettext_lazy
from psycopg.types.range import Range

import outbox
from outbox.capture import captured_models, release
from outbox.columns import AnyField
from outbox.errors import InvalidPayload, UnsupportedField
from schemas import encode
from tests.app.models import Article, Colour, Counter, Meeting, Order, Specimen
from tests.stored import operations, stored

pytestmark = pytest.mark.django_db(transaction=True)


class Plain(str, Enum):  # noqa: UP042 - what is stored must not depend on how it prints
    """Printed otherwise than it is stored."""

    RED = "red"


HALF_PAST = timezone(timedelta(hours=5, minutes=30))
UUID = uuid.UUID("6F9619FF-8B86-D011-B42D-00CF4FC964FF")

STRANGE = "Zürich \N{SNOWMAN} \N{PILE OF POO}\n\"'\\"

CASES: list[tuple[str, Any, Any]] = [
    ("uuid", UUID, "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
    ("uuid", "6F9619FF8B86D011B42D00CF4FC964FF", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
    (
        "text",
        "Zürich \N{SNOWMAN} \N{PILE OF POO}\n\"'\\",
        "Zürich \N{SNOWMAN} \N{PILE OF POO}\n\"'\\",
    ),
    ("text", 5, "5"),
    ("text", gettext_lazy("Yes"), "Yes"),
    ("choice", Colour.RED, "red"),
    ("choice", Plain.RED, "red"),
    ("whole", 2**63 - 1, 2**63 - 1),
    ("whole", "7", 7),
    ("whole", True, 1),
    ("number", Decimal("1.5"), "1.500"),
    ("number", "1E+2", "100.000"),
    ("number", 1.1, "1.100"),
    ("number", Decimal("2.0005"), "2.001"),
    ("number", Decimal("-2.0005"), "-2.001"),
    ("number", Decimal("-0.0001"), "0.000"),
    ("real", 1, 1.0),
    ("real", 0.1, 0.1),
    ("real", 1e300, 1e300),
    ("real", Decimal("0.5"), 0.5),
    ("flag", 1, True),
    ("flag", "False", False),
    ("moment", datetime(2024, 2, 3, 4, 5, 6, 789, tzinfo=UTC), "2024-02-03T04:05:06.000789Z"),
    ("moment", datetime(2024, 2, 3, 4, 5, tzinfo=HALF_PAST), "2024-02-02T22:35:00Z"),
    ("moment", "2024-02-03T04:05:06+02:00", "2024-02-03T02:05:06Z"),
    ("day", date(2024, 2, 3), "2024-02-03"),
    ("day", "2024-02-03", "2024-02-03"),
    ("day", datetime(2024, 2, 3, 23, 59, tzinfo=UTC), "2024-02-03"),
    ("time", time(4, 5, 6, 7), "04:05:06.000007"),
    ("time", "04:05", "04:05:00"),
    ("duration", timedelta(days=1, seconds=2, microseconds=3), "P1DT0H0M2.000003S"),
    ("address", "2001:DB8::0001", "2001:db8::1"),
    ("blob", b"\x00\xff", "AP8="),
    ("blob", memoryview(b"\x00\xff"), "AP8="),
    ("blob", bytearray(b"\x00\xff"), "AP8="),
    ("data", {"b": 1, "a": [1.5, None, True]}, {"a": [1.5, None, True], "b": 1}),
    ("data", {1: ("x",), "when": Decimal("1.10")}, {"1": ["x"], "when": "1.10"}),
    ("data", [1e16, 1e23, -0.0, 1e-7], [10**16, 10**23, 0.0, 1e-7]),
    ("data", Value(None, models.JSONField()), None),
    ("tags", ("a", "b"), ["a", "b"]),
    ("tags", [], []),
    ("prices", [1, Decimal("2.5"), None], ["1.00", "2.50", None]),
    ("span", Range(1, 5, "[]"), {"lower": 1, "upper": 6, "bounds": "[)"}),
    ("span", (1, 5), {"lower": 1, "upper": 5, "bounds": "[)"}),
    ("span", Range(None, 5, "[]"), {"lower": None, "upper": 6, "bounds": "()"}),
    ("span", Range(3, 3, "()"), {"lower": None, "upper": None, "bounds": "empty"}),
    ("span", Range(empty=True), {"lower": None, "upper": None, "bounds": "empty"}),
    (
        "days",
        Range(date(2024, 1, 1), date(2024, 1, 2), "(]"),
        {"lower": "2024-01-02", "upper": "2024-01-03", "bounds": "[)"},
    ),
    (
        "moments",
        Range(datetime(2024, 1, 1, tzinfo=HALF_PAST), None, "(]"),
        {"lower": "2023-12-31T18:30:00Z", "upper": None, "bounds": "()"},
    ),
    (
        "amounts",
        Range(Decimal("1E+1"), Decimal("20.50"), "[]"),
        {"lower": "10", "upper": "20.50", "bounds": "[]"},
    ),
    (
        "amounts",
        Range(Decimal(1), Decimal(1), "[)"),
        {"lower": None, "upper": None, "bounds": "empty"},
    ),
]


def text(value: Any) -> str:
    """JSON, where 1 is not 1.0, and keys have an order."""
    return json.dumps(value)


@pytest.mark.parametrize(("column", "given", "expected"), CASES)
def test_a_value_is_canonical_and_the_same_from_memory_and_from_the_row(
    column: str, given: Any, expected: Any
) -> None:
    Specimen.objects.create(**{column: given})
    Specimen.objects.get().save()
    Specimen.objects.all().delete()
    from_memory, read_back, deleted, _ = stored()
    assert text(from_memory.json["after"][column]) == text(expected)
    assert text(read_back.json["after"]) == text(from_memory.json["after"])
    assert text(deleted.json["before"]) == text(from_memory.json["after"])


def test_every_column_survives_the_round_trip_through_its_contract() -> None:
    for column, given, _ in CASES:
        with transaction.atomic():
            Specimen.objects.create(**{column: given})
    for row in stored():
        assert encode(row.event) == row.value


def test_a_naive_moment_is_stored_and_sent_in_the_default_time_zone() -> None:
    with override_settings(TIME_ZONE="Asia/Kolkata"), pytest.warns(RuntimeWarning, match="naive"):
        Specimen.objects.create(moment=datetime(2024, 2, 3, 4, 5))  # noqa: DTZ001
    assert stored()[0].json["after"]["moment"] == "2024-02-02T22:35:00Z"
    assert Specimen.objects.get().moment == datetime(2024, 2, 2, 22, 35, tzinfo=UTC)


def test_a_file_is_its_name(tmp_path: object) -> None:
    with override_settings(MEDIA_ROOT=tmp_path):
        specimen = Specimen()
        specimen.file.save("a.txt", ContentFile(b"x"))
        Specimen.objects.get().save()
    assert [row.json["after"]["file"] for row in stored()] == ["a.txt", "a.txt"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_refused_and_takes_the_row_with_it(
    value: float,
) -> None:
    with pytest.raises(InvalidPayload, match="real: Input should be a finite number"):
        Specimen.objects.create(real=value)
    assert Specimen.objects.count() == 0
    assert stored() == []


def test_a_number_that_json_does_not_have_is_refused_when_another_writer_stored_it() -> None:
    Specimen.objects.create()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE testapp_specimen SET number = 'NaN'")
    with pytest.raises(InvalidPayload, match=r"testapp\.Specimen \d+ .*number: .*finite"):
        Specimen.objects.all().delete()
    assert Specimen.objects.count() == 1


class TestStaleMemory:
    def test_an_expression_is_recorded_as_the_number_it_became(self) -> None:
        counter = Counter.objects.create(value=1)
        counter.value = F("value") + 4
        counter.save()
        assert stored()[1].json["after"]["value"] == 5

    def test_the_instance_keeps_what_django_left_in_it(self) -> None:
        counter = Counter.objects.create(value=1)
        counter.value = F("value") + 4
        with outbox.suppress():
            counter.save()
        left = type(counter.__dict__["value"])
        again = Counter.objects.create(value=1)
        again.value = F("value") + 4
        again.save()
        assert type(again.__dict__["value"]) is left

    def test_an_expression_at_creation_is_recorded_as_stored(self) -> None:
        Order.objects.create(number=Concat(Value("a"), Value("b")))
        assert stored()[0].json["after"]["number"] == "ab"

    def test_database_defaults_and_generated_columns_are_recorded(self) -> None:
        counter = Counter.objects.create(value=3)
        state = stored()[0].json["after"]
        assert (state["state"], state["shouted"], state["twice"]) == ("new", "NEW", 6)
        assert datetime.fromisoformat(state["started_at"]) == counter.started_at

    def test_generated_columns_follow_an_update(self) -> None:
        counter = Counter.objects.create(value=3)
        counter.value, counter.state = 4, "old"
        counter.save()
        state = stored()[1].json["after"]
        assert (state["shouted"], state["twice"]) == ("OLD", 8)

    @pytest.mark.usefixtures("_trigger")
    def test_what_a_trigger_changes_on_the_way_in_is_recorded(self) -> None:
        counter = Counter.objects.create(value=3)
        Counter.objects.update(value=5)
        Counter.objects.bulk_create([Counter(value=1)])
        assert (counter.value, stored()[0].json["after"]["value"]) == (3, 103)
        assert [row.json["after"]["value"] for row in stored()[1:]] == [105, 101]
        assert [row.json["after"]["twice"] for row in stored()] == [206, 210, 202]

    @pytest.fixture
    def _trigger(self) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION testapp_add() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "NEW.value = NEW.value + 100; RETURN NEW; END $$;"
                "CREATE TRIGGER add BEFORE INSERT OR UPDATE ON testapp_counter FOR EACH ROW "
                "EXECUTE FUNCTION testapp_add()"
            )
        yield
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION testapp_add() CASCADE")

    def test_columns_outside_update_fields_are_recorded_as_stored_not_as_in_memory(self) -> None:
        order = Order.objects.create(number="1", quantity=1)
        with outbox.suppress():
            Order.objects.update(total=Decimal("9.99"))
        order.number, order.quantity = "2", 7
        order.save(update_fields=["number"])
        state = stored()[1].json["after"]
        assert (state["number"], state["quantity"], state["total"]) == ("2", 1, "9.99")

    def test_deferred_columns_are_recorded(self) -> None:
        Order.objects.create(number="1", quantity=5)
        order = Order.objects.only("number").get()
        order.number = "2"
        order.save()
        state = stored()[1].json["after"]
        assert (state["number"], state["quantity"]) == ("2", 5)

    def test_the_key_is_right_when_its_column_is_not_in_memory(self) -> None:
        Article.objects.create(slug="one", title="One")
        article = Article.objects.only("title").get()
        article.title = "Two"
        article.save()
        assert {row.key for row in stored()} == {"one"}

    def test_a_primary_key_given_as_text_is_the_same_key(self) -> None:
        order = Order.objects.create(number="1")
        Order(pk=str(order.pk), number="2").save()
        assert operations() == ["create", "update"]
        assert {(row.key, row.json["after"]["id"]) for row in stored()} == {
            (str(order.pk), order.pk)
        }


@isolate_apps("tests.app")
def test_a_column_without_a_canonical_form_is_named_at_start() -> None:
    class Shape(AnyField):
        def db_type(self, connection: object) -> str:
            return "box"

    class Drawing(models.Model):
        shape = Shape()

        class Meta:
            app_label = "testapp"

    outbox.capture(topic="test.drawings")(Drawing)
    captured = next(each for each in captured_models() if each.model is Drawing)
    try:
        with pytest.raises(UnsupportedField, match=r"Drawing\.shape is a .*Shape.*exclude it"):
            _ = captured.event
    finally:
        release(Drawing)


def test_a_generated_moment_comes_back_to_the_instance_as_django_reads_it() -> None:
    with override_settings(USE_TZ=False):
        connection.close()  # what it reads is settled when it opens
        try:
            starts = datetime(2024, 1, 1, 12)  # noqa: DTZ001 - what the setting asks for
            assert Meeting.objects.create(starts=starts).ends == starts
        finally:
            connection.close()
    assert [row.json["after"]["ends"] for row in stored()] == ["2024-01-01T12:00:00Z"]
