"""Events wait unmade where nothing can refuse them; what may be refused is made at once."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection, models, transaction
from django.test import override_settings

from outbox.buffer import buffer_of
from outbox.context import context
from outbox.errors import EventTooLarge, InvalidPayload
from outbox.pending import LARGEST, Pending
from outbox.reading import read
from outbox.testing import captured_events
from schemas.errors import MissingKey
from tests.app.models import Code, Counter, Meeting, Order, Shift, Specimen, Talk
from tests.stored import operations, stored

pytestmark = pytest.mark.django_db(transaction=True)


def pending() -> list[bool]:
    """Of each event that waits for the commit, whether it is still to be made."""
    return [isinstance(entry, Pending) for entry in buffer_of(connection)._waiting._entries]


def test_an_event_says_what_held_when_its_row_was_written() -> None:
    with transaction.atomic():
        with context(actor="ann"):
            order = Order.objects.create(number="1")
        with context(actor="bob"):
            order.number = "2"
            order.save()
        assert pending() == [True, True]
    assert [row.json["after"]["number"] for row in stored()] == ["1", "2"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT convert_from(headers, 'UTF8') FROM outbox_event ORDER BY id")
        assert cursor.fetchall() == [('{"actor": "ann"}',), ('{"actor": "bob"}',)]


def test_updates_of_one_row_and_of_many_wait() -> None:
    with transaction.atomic():
        first, second = (Order.objects.create(number=number) for number in "12")
        first.number = "3"
        first.save()
        Order.objects.update(number="3")
        assert pending() == [True] * 5
    alone, *together = [(int(row.key), row.json["changed"]) for row in stored()[2:]]
    assert alone == (first.pk, ["number"])
    assert sorted(together) == [(first.pk, []), (second.pk, ["number"])]


def test_an_update_that_moves_the_key_or_that_may_be_dropped_is_looked_at_at_once() -> None:
    with transaction.atomic():
        Meeting.objects.create(starts=datetime(2024, 1, 1, tzinfo=UTC)).save()
        order = Order.objects.create(number="1")
        Order.objects.update(id=order.pk + 1)
        assert pending() == [True, True, False, False, True]
    assert operations("test.orders") == ["create", "delete", "tombstone", "create"]


def test_events_before_and_after_a_pending_one_keep_their_places() -> None:
    with transaction.atomic():
        first = Order.objects.create(number="1")
        Order.objects.create(number="2")
        first.delete()
        Order.objects.create(number="3")
        assert pending() == [True, True, False, False, True]
    assert [row.value and row.json["op"] for row in stored()] == [
        "create",
        "create",
        "delete",
        None,
        "create",
    ]


def test_rows_of_one_statement_keep_their_order_where_not_all_may_wait() -> None:
    with transaction.atomic():
        Talk.objects.bulk_create([Talk(title="a"), Talk(title="b")])
        Talk.objects.bulk_create([Talk(title="c"), Talk(title="d" * LARGEST), Talk(title="e")])
        assert pending() == [True, True, True, False, True]
    titles = [row.json["after"]["title"][0] for row in stored()]
    assert titles == ["a", "b", "c", "d", "e"]


def test_an_event_that_waits_keeps_nothing_that_it_will_not_say() -> None:
    with transaction.atomic():
        shift = Shift.objects.create(starts=datetime(2024, 1, 1, tzinfo=UTC))
        (entry,) = buffer_of(connection)._waiting._entries
        assert isinstance(entry, Pending)
        assert shift.rota == "weekly"
        assert "weekly" not in repr(entry.arguments)


@pytest.fixture
def elsewhere() -> Iterator[None]:
    """A transaction whose session has another zone than Django."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Tokyo'")
        yield


NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
NOON_TEXT = "2024-01-01T12:00:00Z"


def states() -> list[dict[str, object]]:
    buffer_of(connection).flush()
    return [row.json["after"] for row in stored()]


def test_a_moment_is_told_in_utc_whatever_the_zone_of_the_session(elsewhere: None) -> None:
    Shift.objects.create(starts=NOON)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
    Shift.objects.create(starts=NOON)
    assert [state["starts"] for state in states()] == [NOON_TEXT] * 2


def test_so_is_one_that_django_asks_for_beside_others(elsewhere: None) -> None:
    meeting = Meeting.objects.create(starts=NOON)
    assert (meeting.ends, meeting.ends.tzinfo) == (NOON, UTC)
    (state,) = states()
    assert state["starts"] == state["ends"] == NOON_TEXT


def test_so_is_one_beside_a_text_that_django_asks_for(elsewhere: None) -> None:
    Counter.objects.create(started_at=NOON)
    assert [state["started_at"] for state in states()] == [NOON_TEXT]


def test_so_is_one_in_a_range(elsewhere: None) -> None:
    Specimen.objects.create(moments=(NOON, None))
    assert [state["moments"] for state in states()] == [
        {"lower": NOON_TEXT, "upper": None, "bounds": "[)"}
    ]


def test_so_is_one_that_is_read_later(elsewhere: None) -> None:
    shift = Shift.objects.create(starts=NOON)
    starts = Shift._meta.get_field("starts")
    assert list(read(Shift, [starts], by=[Shift._meta.pk], values=[(shift.pk,)])) == [(NOON,)]


def test_those_who_watch_see_an_event_at_once() -> None:
    with transaction.atomic(), captured_events() as events:
        Order.objects.create(number="1")
        assert len(events) == 1
        assert pending() == [False]


def test_a_number_that_json_does_not_have_fails_at_its_save() -> None:
    with transaction.atomic(), pytest.raises(InvalidPayload, match="total"), transaction.atomic():
        Order.objects.create(total=models.Value("NaN", models.TextField()))
    assert stored() == []


def test_a_key_without_text_fails_at_its_save() -> None:
    with transaction.atomic(), pytest.raises(MissingKey, match="code"), transaction.atomic():
        Code.objects.create(code="")
    assert stored() == []


def test_an_event_near_the_limit_is_made_at_once_and_fails_at_its_save() -> None:
    with transaction.atomic():
        order = Order.objects.create(number="1")
    size = len(stored()[0].value or b"") + len(str(order.pk))
    with override_settings(OUTBOX_MAX_EVENT_BYTES=size), transaction.atomic():
        order.save()
        assert pending() == [False]
    with (
        override_settings(OUTBOX_MAX_EVENT_BYTES=size),
        transaction.atomic(),
        pytest.raises(EventTooLarge),
        transaction.atomic(),
    ):
        Order.objects.create(number="1" * 20)


def test_a_large_event_is_made_at_once() -> None:
    with transaction.atomic():
        Talk.objects.create(title="x" * (LARGEST // 7))
        Talk.objects.create(title="x" * LARGEST)
        assert pending() == [True, False]
