"""What can never be sent fails where it is recorded: named, with the cure, and undone."""

import contextlib
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.db import DataError, connection, transaction
from django.db.models.signals import post_save
from django.test.utils import override_settings

import outbox
from outbox.errors import EventTooLarge, InvalidPayload, NotAnEvent, NotInTransaction, NoTopic
from outbox.testing import captured_events
from schemas import SchemaError
from tests.app.events import Said
from tests.app.models import Article, Note, Order
from tests.stored import operations, stored

pytestmark = pytest.mark.django_db(transaction=True)


class Loose(outbox.Event, type="outbox.test.loose", topic="test.loose", key="key"):
    key: str | None = "k"
    value: Any = None


class Homeless(outbox.Event, type="test.homeless", key="key"):
    key: str = "k"


class Keyless(outbox.Event, type="outbox.test.keyless", topic="test.loose"):
    value: int = 1


class Abstract(outbox.Event):
    value: int = 1


BAD = [
    ("an unserialisable value", lambda: Loose(value=object()), SchemaError, "value"),
    ("not a number", lambda: Loose(value=[{"x": float("nan")}]), SchemaError, "value"),
    ("a lone surrogate in a value", lambda: Loose(value="\ud800"), SchemaError, "value"),
    ("a lone surrogate in a key", lambda: Loose(key="\ud800"), SchemaError, "key"),
    ("a NUL in a key", lambda: Loose(key="a\0b"), SchemaError, "key: .* it has a NUL"),
    ("a missing key", lambda: Loose(key=None), SchemaError, "key"),
    ("an empty key", lambda: Loose(key=""), SchemaError, "key"),
    ("a contract without key", Keyless, SchemaError, "key="),
    ("a contract without topic", Homeless, NoTopic, "add topic="),
    ("a class that is no event", lambda: Note, NotAnEvent, "a ModelBase is no event"),
    ("an event without type", Abstract, NotAnEvent, "Abstract .* has no type"),
    ("no event at all", lambda: {"who": "me"}, NotAnEvent, "a dict is no event"),
    ("a class instead of an instance", lambda: Said, NotAnEvent, "you passed the class Said"),
    (
        "more bytes than are allowed",
        lambda: Loose(value="x" * 900_000),
        EventTooLarge,
        r"test\.loose with key 'k' has \d+ bytes, more than OUTBOX_MAX_EVENT_BYTES=900000",
    ),
]


@pytest.mark.parametrize(
    ("make", "error", "words"), [bad[1:] for bad in BAD], ids=[b[0] for b in BAD]
)
def test_what_cannot_be_sent_is_refused_undoes_the_rows_and_leaves_the_connection_usable(
    make: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words), transaction.atomic():
        Note.objects.create()
        outbox.record(make())
    with transaction.atomic():
        outbox.record(Said(who="me"))
    assert Note.objects.count() == 0
    assert [row.type for row in stored()] == ["test.said"]


@pytest.mark.parametrize("make", [bad[1] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_of_several_events_none_is_recorded_if_one_cannot_be_sent(make: Any) -> None:
    with transaction.atomic(), captured_events() as events:
        with pytest.raises((outbox.OutboxError, SchemaError)):
            outbox.record(Said(who="me"), make())
        assert events == []
    assert stored() == []


def test_recording_no_event_does_nothing_inside_and_outside_a_transaction() -> None:
    outbox.record()
    with transaction.atomic():
        outbox.record(*[])
        Note.objects.create()
    assert (Note.objects.count(), stored()) == (1, [])


def test_the_key_counts_to_the_size_of_an_event() -> None:
    event = Loose(key="k" * 20, value="v" * 20)
    with transaction.atomic():
        outbox.record(event)
    (row,) = stored()
    size = len(row.key) + len(row.value or b"")
    with override_settings(OUTBOX_MAX_EVENT_BYTES=size), transaction.atomic():
        outbox.record(event)
    with (
        override_settings(OUTBOX_MAX_EVENT_BYTES=size - 1),
        pytest.raises(EventTooLarge, match=f"has {size} bytes"),
        transaction.atomic(),
    ):
        outbox.record(event)


def test_recording_outside_a_transaction_is_refused() -> None:
    with pytest.raises(NotInTransaction, match=r"^Said would be recorded outside .*atomic\(\)"):
        outbox.record(Said(who="me"))
    assert connection.get_autocommit()


@override_settings(OUTBOX_MAX_EVENT_BYTES=100)
def test_a_captured_row_that_is_too_large_is_refused_and_not_written() -> None:
    with pytest.raises(EventTooLarge, match=r"testapp\.order with key"):
        Order.objects.create(number="1")
    assert Order.objects.count() == 0


def test_a_row_that_does_not_fit_its_contract_names_row_and_field() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE testapp_article ALTER title DROP NOT NULL")
    try:
        with pytest.raises(InvalidPayload, match=r"testapp\.Article one .*ArticleState: title:"):
            Article.objects.create(slug="one", title=cast("str", None))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE testapp_article ALTER title SET NOT NULL")
    assert Article.objects.count() == 0


@pytest.mark.parametrize(
    "write",
    [
        lambda: Order.objects.create(number="2"),
        lambda: Order.objects.update(quantity=2),
        lambda: Order.objects.all()._raw_delete("default"),  # Django itself forgives its failure
    ],
)
def test_a_swallowed_failure_of_capture_undoes_the_row(write: Callable[[], object]) -> None:
    Order.objects.create(number="1")
    with override_settings(OUTBOX_MAX_EVENT_BYTES=100), transaction.atomic():
        Note.objects.create()
        with contextlib.suppress(EventTooLarge):
            write()
    assert (Note.objects.count(), Order.objects.get().quantity) == (0, 1)
    assert operations() == ["create"]


def test_a_row_that_another_receiver_fails_on_is_undone_with_its_event() -> None:
    def fail(**kwargs: object) -> None:
        raise LookupError

    post_save.connect(fail, sender=Order)
    try:
        with pytest.raises(LookupError):
            Order.objects.create(number="1")
    finally:
        post_save.disconnect(fail, sender=Order)
    assert (Order.objects.count(), stored()) == (0, [])


@pytest.mark.parametrize(
    "write",
    [
        lambda: Order.objects.create(number="a\0b"),
        lambda: Order.objects.update(number="a\0b"),
        lambda: Order.objects.filter(number="a\0b").delete(),
    ],
    ids=["create", "update", "delete"],
)
def test_a_text_that_postgresql_cannot_hold_is_refused_as_without_capture(
    write: Callable[[], object],
) -> None:
    with pytest.raises(DataError, match="NUL"):
        write()
    assert stored() == []
