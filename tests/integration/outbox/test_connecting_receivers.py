"""`outbox.receiver` connects as Django's own `receiver` does, and refuses what cannot record."""

import gc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import models, transaction
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal
from django.test.utils import isolate_apps, override_settings

import outbox
from outbox.errors import InvalidReceiver
from tests.app.events import Said
from tests.app.models import Note, Order
from tests.signals import paid
from tests.stored import said

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("receivers_of_the_test"),
]


@pytest.mark.parametrize("several", [list, tuple])
@pytest.mark.parametrize("sender", [Note, "testapp.Note"])
def test_several_signals_and_a_sender_as_class_or_by_name_are_taken(
    several: Callable[[Any], Sequence[Signal]], sender: object
) -> None:
    @outbox.receiver(several([pre_save, post_save]), sender=sender)
    def on_note(signal: Signal, **kwargs: object) -> Said:
        return Said(who="me", what="pre" if signal is pre_save else "post")

    Note.objects.create()
    Order.objects.create(number="1")
    assert said() == ["pre", "post"]


@pytest.mark.parametrize("sender", [Note, "testapp.Note"])
def test_a_receiver_with_a_dispatch_uid_is_disconnected_by_it(sender: Any) -> None:
    @outbox.receiver(post_save, sender=sender, dispatch_uid="notes")
    def on_note(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    post_save.disconnect(sender=sender, dispatch_uid="notes")
    Note.objects.create()
    assert said() == []


def test_a_signal_given_twice_with_one_dispatch_uid_is_connected_once() -> None:
    for _ in range(2):

        @outbox.receiver(paid, dispatch_uid="once")
        def on_paid(**kwargs: object) -> Said:
            return Said(who="me", what="a")

    paid.send(None)
    assert said() == ["a"]


@pytest.mark.parametrize("sender", [Note, "testapp.Note"])
def test_djangos_disconnect_and_connect_work_on_what_the_decorator_returns(sender: Any) -> None:
    @outbox.receiver([pre_save, post_save], sender=sender)
    def on_save(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    pre_save.disconnect(on_save, sender=sender)
    post_save.disconnect(on_save, sender=sender)
    Note.objects.create()
    assert said() == []
    post_save.connect(on_save, sender=sender)
    Note.objects.create()
    assert said() == ["a"]


def test_a_custom_signal_is_disconnected_and_connected_by_its_sender() -> None:
    @outbox.receiver(paid, sender="shop")
    def on_paid(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    paid.send("elsewhere")
    assert said() == []
    paid.send("shop")
    assert paid.disconnect(on_paid, sender="shop")
    paid.send("shop")
    assert said() == ["a"]
    paid.connect(on_paid)
    paid.send("elsewhere")
    assert said() == ["a", "a"]


def on_anything(**kwargs: object) -> None: ...


@pytest.mark.parametrize("given", [on_anything, [], [paid, Note], "post_save", Note, None])
def test_what_is_no_signal_is_refused_with_the_cure(given: Any) -> None:
    with pytest.raises(InvalidReceiver, match=r"names no signal .* @outbox\.receiver\(post_save, "):
        outbox.receiver(given)
    assert not paid.has_listeners()


def test_a_decorator_without_parentheses_names_the_function_that_it_stands_on() -> None:
    with pytest.raises(
        InvalidReceiver, match=r"^receiver\(<function .*on_save at .*names no signal"
    ):

        @outbox.receiver  # type: ignore[arg-type]
        def on_save(**kwargs: object) -> None: ...


def test_two_decorators_on_one_function_record_each_signal_once() -> None:
    @outbox.receiver(paid)
    @outbox.receiver(post_save, sender=Note)
    def on_either(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    paid.send(None)
    assert said() == ["a"]
    Note.objects.create()
    assert said() == ["a", "a"]


def test_a_receiver_that_nobody_holds_stays_connected() -> None:
    def connect() -> None:
        @outbox.receiver(paid)
        def on_paid(**kwargs: object) -> Said:
            return Said(who="me", what="a")

    connect()
    gc.collect()
    paid.send(None)
    assert said() == ["a"]


def test_a_weak_receiver_is_connected_for_as_long_as_its_name_lives() -> None:
    @outbox.receiver([paid, post_save], weak=True)
    def on_either(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    gc.collect()
    paid.send(None)
    assert said() == ["a"]
    assert paid.disconnect(on_either)
    paid.connect(on_either, weak=True)
    Note.objects.create()
    assert said() == ["a", "a"]
    del on_either
    gc.collect()
    paid.send(None)
    Note.objects.create()
    assert said() == ["a", "a"]


def test_a_sender_by_name_is_looked_for_among_the_given_apps() -> None:
    with isolate_apps("tests.app") as apps:

        class Elsewhere(models.Model):
            class Meta:
                app_label = "testapp"

    @outbox.receiver(post_save, sender="testapp.Elsewhere", apps=apps)
    def on_note(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    with transaction.atomic():
        post_save.send(Elsewhere)
    assert said() == ["a"]


@pytest.mark.parametrize("weak", [True, False])
def test_a_receiver_that_takes_no_keywords_is_refused_as_by_django(weak: bool) -> None:
    with (
        override_settings(DEBUG=True),
        pytest.raises(ValueError, match="must accept keyword arguments"),
    ):

        @outbox.receiver(paid, weak=weak)
        def on_paid(signal: object) -> None: ...


def test_an_asynchronous_receiver_is_refused_when_it_is_registered() -> None:
    async def coroutine(**kwargs: object) -> None: ...

    async def generator(**kwargs: object) -> Any:
        yield None

    class Callable_:
        async def __call__(self, **kwargs: object) -> None: ...

    for each in (coroutine, generator, Callable_()):
        with pytest.raises(InvalidReceiver, match="make it a plain def"):
            outbox.receiver(paid)(each)  # type: ignore[type-var]
    assert not paid.has_listeners()
