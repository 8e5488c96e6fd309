"""Fields of others, which are one thing in memory and another in the table."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

import outbox
from outbox.errors import InvalidPayload
from outbox.reading import read
from tests.app.models import Specimen, Ticket
from tests.stored import operations, stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "write",
    [
        lambda ticket: Ticket(number="t-005", text="b").save(),
        lambda ticket: Ticket(number=5, text="b").save(),
        lambda ticket: Ticket.objects.get().save(),
        lambda ticket: Ticket.objects.filter(number="t-05").update(text="b"),
        lambda ticket: Ticket.objects.bulk_update([Ticket(number="5", text="b")], ["text"]),
        lambda ticket: Ticket.objects.bulk_create(
            [Ticket(number="t-5", text="b")],
            update_conflicts=True,
            unique_fields=["number"],
            update_fields=["text"],
        ),
        lambda ticket: Ticket(number="t-05").delete(),
        lambda ticket: Ticket.objects.filter(number="T-5").delete(),
        lambda ticket: Ticket.objects.update(text=F("number")),
    ],
)
@pytest.mark.parametrize("number", ["T-5", "t-005", "5", 5])
def test_a_row_has_one_key_however_its_primary_key_is_spelt_and_written(
    number: Any, write: Callable[[Ticket], object]
) -> None:
    (ticket,) = Ticket.objects.bulk_create([Ticket(number=number)])
    write(ticket)
    assert {row.key for row in stored()} == {"5"}
    assert len(stored()) > 1


def test_a_relation_travels_as_the_key_of_its_target() -> None:
    parent = Ticket.objects.create(number="t-005")
    Ticket.objects.create(number="6", parent=parent)
    assert stored()[1].json["after"]["parent_id"] == int(stored()[0].key)


def test_what_memory_holds_is_never_asked_what_it_is() -> None:
    Ticket.objects.create(number=5, text="a")
    ticket = Ticket.objects.get()
    with CaptureQueriesContext(connection) as queries:
        ticket.save()
    assert [query["sql"].split()[0] for query in queries] == ["BEGIN", "UPDATE", "INSERT", "COMMIT"]
    Ticket.objects.get().delete()
    assert operations() == ["create", "update", "delete", "tombstone"]
    assert [row.json["after"]["text"] for row in stored()[:2]] == ["a", "a"]


@pytest.mark.parametrize(
    ("column", "value"),
    [("moment", "infinity"), ("day", "-infinity"), ("time", "24:00"), ("number", "NaN")],
)
def test_a_value_that_cannot_be_read_is_named_and_the_row_stays(column: str, value: str) -> None:
    Specimen.objects.create()
    store(column, value)
    with pytest.raises(InvalidPayload, match=rf"testapp\.Specimen.*{column}"):
        Specimen.objects.update(whole=2)
    assert operations() == ["create"]
    assert Specimen.objects.filter(whole=0).count() == 1


def test_a_value_that_cannot_be_read_among_many_rows_names_its_model_at_least() -> None:
    Specimen.objects.create()
    store("day", "infinity")
    with outbox.suppress():
        Specimen.objects.bulk_create(Specimen() for _ in range(3_000))
    with pytest.raises(InvalidPayload, match=r"testapp\.Specimen.*infinity"):
        Specimen.objects.update(whole=2)
    assert not Specimen.objects.filter(whole=2).exists()


def test_a_value_that_cannot_be_read_is_named_where_rows_are_read_again() -> None:
    specimen = Specimen.objects.create()
    store("time", "24:00")
    pk = Specimen._meta.pk
    (time,) = (each for each in Specimen._meta.concrete_fields if each.name == "time")
    with pytest.raises(InvalidPayload, match=r"testapp\.Specimen\.time .*'24:00:00'.*; correct it"):
        list(read(Specimen, [pk, time], by=[pk], values=[(specimen.pk,)]))


def store(column: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE testapp_specimen SET {column} = %s", [value])
