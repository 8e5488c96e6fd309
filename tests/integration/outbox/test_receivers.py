"""What the function of an `outbox.receiver` returns is recorded."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.db.models.signals import m2m_changed, post_save

import outbox
from outbox.errors import NotAnEvent, NotInTransaction, OtherDatabase
from tests.app.events import Said
from tests.app.models import Note
from tests.signals import asked, paid
from tests.stored import said, stored

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("receivers_of_the_test"),
]


def test_a_custom_signal_inside_a_transaction_is_recorded_with_it() -> None:
    @outbox.receiver(paid)
    def on_paid(amount: int, **kwargs: object) -> Said:
        return Said(who="me", what=str(amount))

    with transaction.atomic():
        paid.send(None, amount=5)
        assert said() == []
    assert said() == ["5"]


@pytest.mark.parametrize("send", ["send", "send_robust"])
def test_a_custom_signal_outside_a_transaction_opens_one(send: str) -> None:
    seen: list[bool] = []

    @outbox.receiver(paid)
    def on_paid(amount: int, **kwargs: object) -> Said:
        seen.append(connection.in_atomic_block)
        Note.objects.create(text="x")
        return Said(who="me", what=str(amount))

    getattr(paid, send)(None, amount=5)
    assert said() == ["5"]
    assert seen == [True]


@pytest.mark.parametrize("send", ["asend", "asend_robust"])
def test_a_signal_sent_asynchronously_is_recorded(send: str) -> None:
    @outbox.receiver(paid)
    def on_paid(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    from asgiref.sync import async_to_sync

    async_to_sync(getattr(paid, send))(None)
    assert said() == ["a"]


def test_what_a_receiver_writes_outside_a_transaction_goes_with_its_event() -> None:
    @outbox.receiver(paid)
    def on_paid(**kwargs: object) -> Said:
        Note.objects.create(text="x")
        return Said(who="")

    with pytest.raises(Exception, match="key"):
        paid.send(None)
    assert (Note.objects.count(), stored()) == (0, [])


def test_none_one_or_several_events_may_be_returned_or_yielded() -> None:
    @outbox.receiver(paid)
    def several(words: list[str], **kwargs: object) -> Iterator[Said]:
        for word in words:
            yield Said(who="me", what=word)

    @outbox.receiver(paid)
    def as_list(words: list[str], **kwargs: object) -> list[Said]:
        return [Said(who="me", what=word.upper()) for word in words]

    @outbox.receiver(paid)
    def nothing(**kwargs: object) -> None:
        return None

    paid.send(None, words=["a", "b"])
    assert said() == ["a", "b", "A", "B"]


def test_what_was_returned_reaches_the_sender_as_it_was_and_what_was_yielded_as_a_tuple() -> None:
    event = Said(who="me", what="a")
    returned: list[object] = [event, [event, event], (event,), [], None]

    @outbox.receiver(paid)
    def as_given(number: int, **kwargs: object) -> Any:
        return returned[number]

    for number, result in enumerate(returned):
        assert paid.send(None, number=number) == [(as_given, result)]

    @outbox.receiver(asked)
    def generator(**kwargs: object) -> Iterator[Said]:
        yield event
        yield event

    responses: list[Any] = asked.send(None)
    assert responses == [(generator, (event, event))]
    assert len(said()) == 6


def test_what_a_custom_signal_calls_using_is_no_database() -> None:
    @outbox.receiver(paid)
    def on_paid(using: str, **kwargs: object) -> Said:
        return Said(who="me", what=using)

    paid.send(None, using="paypal")
    assert said() == ["paypal"]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
class TestOtherDatabases:
    @pytest.fixture(autouse=True)
    def _close(self) -> Iterator[None]:
        yield
        connections["other"].close()
        del connections["other"]

    def test_an_event_about_a_row_of_another_database_is_refused_and_undoes_the_row(self) -> None:
        @outbox.receiver(post_save, sender=Note)
        def on_note(**kwargs: object) -> Said:
            return Said(who="me", what="a")

        refused = pytest.raises(OtherDatabase, match=r"what .*on_note received was .* 'other', but")
        with refused:
            Note.objects.using("other").create()
        with transaction.atomic(using="other"), refused:
            Note.objects.using("other").create()
        assert (Note.objects.count(), stored()) == (0, [])

    def test_a_row_of_another_database_about_which_nothing_is_returned_is_fine(self) -> None:
        @outbox.receiver(post_save, sender=Note)
        def on_note(**kwargs: object) -> None:
            return None

        Note.objects.using("other").create()
        assert Note.objects.count() == 1


@pytest.mark.parametrize("returned", ["text", 5, {"who": "me"}, [Said(who="me"), "text"], Said])
def test_a_result_that_is_no_event_names_the_receiver_and_undoes_the_row(returned: object) -> None:
    @outbox.receiver(post_save, sender=Note)
    def on_save(**kwargs: object) -> Any:
        return returned

    with pytest.raises(NotAnEvent, match=r"on_save returned (str|int|dict|the class Said), which"):
        Note.objects.create()
    assert (Note.objects.count(), stored()) == (0, [])


@pytest.mark.parametrize("failure", ["recording", "function"])
def test_a_failure_that_send_robust_or_the_caller_swallows_undoes_the_row(failure: str) -> None:
    @outbox.receiver(paid)
    def on_paid(**kwargs: object) -> Said:
        if failure == "function":
            raise LookupError
        return Said(who="", what="no key")

    with transaction.atomic():
        Note.objects.create()
        paid.send_robust(None)
    assert Note.objects.count() == 0

    with transaction.atomic():
        Note.objects.create(text="outer")
        with transaction.atomic():
            Note.objects.create(text="inner")
            with pytest.raises(Exception):  # noqa: B017, PT011
                paid.send(None)
    assert [note.text for note in Note.objects.all()] == ["outer"]


def test_a_swallowed_failure_of_record_undoes_the_row() -> None:
    with transaction.atomic():
        Note.objects.create()
        with suppress(Exception):
            outbox.record(Said(who=""))
    assert Note.objects.count() == 0


def test_a_savepoint_around_the_failure_saves_the_rest() -> None:
    with transaction.atomic():
        outbox.record(Said(who="me", what="a"))
        with pytest.raises(Exception, match="key"), transaction.atomic():
            outbox.record(Said(who=""))
        outbox.record(Said(who="me", what="b"))
    assert said() == ["a", "b"]


def test_a_suppressed_sender_and_its_receiver_record_nothing() -> None:
    @outbox.receiver(post_save, sender=Note)
    def on_save(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    with outbox.suppress(Note):
        Note.objects.create()
    assert said() == []


def test_a_model_signal_that_somebody_sends_outside_a_transaction_is_refused() -> None:
    @outbox.receiver(post_save, sender=Note)
    def on_save(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    with pytest.raises(NotInTransaction, match=r"outside a transaction .*atomic\(\)"):
        post_save.send(Note, instance=Note(), created=True, raw=False, using="default")


def test_a_receiver_called_by_hand_records_in_the_open_transaction() -> None:
    @outbox.receiver(paid)
    def on_paid(word: str, **kwargs: object) -> Said:
        return Said(who="me", what=word)

    with transaction.atomic():
        assert on_paid(word="a") == Said(who="me", what="a")
    with pytest.raises(NotInTransaction):
        on_paid(word="b")
    assert said() == ["a"]


def test_signals_of_related_sets_are_recorded() -> None:
    from django.contrib.auth.models import Group

    @outbox.receiver(m2m_changed, sender=User.groups.through)
    def on_change(action: str, **kwargs: object) -> Said | None:
        return Said(who="me", what=action) if action.startswith("post") else None

    user = User.objects.create(username="ann")
    user.groups.add(Group.objects.create(name="g"))
    user.groups.clear()
    assert said() == ["post_add", "post_clear"]
