"""`outbox.receiver`: as Django's own, and what the function returns is recorded."""

import gc
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import connection, transaction
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.dispatch import Signal

import outbox
from outbox.errors import InvalidReceiver, NotAnEvent, NotInTransaction
from tests.app.events import Said
from tests.app.models import Note, Order
from tests.stored import said, stored

pytestmark = pytest.mark.django_db(transaction=True)

paid = Signal()


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = {signal: list(signal.receivers) for signal in SIGNALS}
    yield
    for signal, receivers in before.items():
        signal.receivers[:] = receivers
        signal.sender_receivers_cache.clear()


SIGNALS: tuple[Signal, ...] = (
    paid,
    post_save,
    pre_save,
    m2m_changed,
    user_logged_in,
    user_login_failed,
)


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


def test_a_signal_sent_asynchronously_is_recorded() -> None:
    @outbox.receiver(paid)
    def on_paid(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    from asgiref.sync import async_to_sync

    async_to_sync(paid.asend)(None)
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


def test_a_list_of_signals_and_a_lazy_sender_are_taken() -> None:
    @outbox.receiver([pre_save, post_save], sender="testapp.Note", dispatch_uid="notes")
    def on_note(signal: Signal, **kwargs: object) -> Said:
        return Said(who="me", what="pre" if signal is pre_save else "post")

    Note.objects.create()
    Order.objects.create(number="1")
    assert said() == ["pre", "post"]


def test_a_signal_given_twice_with_one_dispatch_uid_is_connected_once() -> None:
    for _ in range(2):

        @outbox.receiver(paid, dispatch_uid="once")
        def on_paid(**kwargs: object) -> Said:
            return Said(who="me", what="a")

    paid.send(None)
    assert said() == ["a"]


def test_djangos_disconnect_and_connect_work_on_what_the_decorator_returns() -> None:
    @outbox.receiver(post_save, sender=Note)
    def on_save(**kwargs: object) -> Said:
        return Said(who="me", what="a")

    assert post_save.disconnect(on_save, sender=Note)
    Note.objects.create()
    assert said() == []
    post_save.connect(on_save, sender=Note)
    Note.objects.create()
    assert said() == ["a"]


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


@pytest.mark.parametrize("returned", ["text", 5, {"who": "me"}, [Said(who="me"), "text"]])
def test_a_result_that_is_no_event_names_the_receiver_and_undoes_the_row(returned: object) -> None:
    @outbox.receiver(post_save, sender=Note)
    def on_save(**kwargs: object) -> Any:
        return returned

    with pytest.raises(NotAnEvent, match=r"on_save returned (str|int|dict)"):
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


class LoginFailed(outbox.Event, type="test.login-failed", topic="test.logins", key="username"):
    username: str


class TestFailedLogins:
    def connect(self, function: Callable[..., Any] | None = None) -> None:
        def on_failure(credentials: dict[str, Any], **kwargs: object) -> LoginFailed:
            return LoginFailed(username=credentials["username"])

        outbox.receiver(user_login_failed)(function or on_failure)

    def test_a_failed_login_is_recorded_though_no_transaction_is_open(self) -> None:
        self.connect()
        assert authenticate(username="ann", password="wrong") is None
        (row,) = stored()
        assert (row.type, row.key) == ("test.login-failed", "ann")

    @pytest.mark.parametrize("inside", [True, False])
    def test_a_recording_that_fails_never_breaks_the_login_and_is_logged(
        self, inside: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.connect()
        with maybe_atomic(inside):
            Note.objects.create()
            assert authenticate(username="", password="wrong") is None
            outbox_free = stored()
        assert (Note.objects.count(), outbox_free, stored()) == (1, [], [])
        assert "on_failure of user_login_failed could not record its event: MissingKey" in (
            caplog.text
        )

    def test_a_flush_that_fails_never_breaks_the_login(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object) -> None:
            raise RuntimeError

        self.connect()
        monkeypatch.setattr("outbox.buffer.Buffer._insert", fail)
        assert authenticate(username="ann", password="wrong") is None
        assert "FlushFailed" in caplog.text

    def test_no_secret_reaches_the_table_or_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        secret = secrets.token_hex(16)

        class Strict(outbox.Event, type="outbox.test.strict", topic="test.logins", key="username"):
            username: int

        def careless(credentials: dict[str, Any], **kwargs: object) -> Strict:
            return Strict(username=credentials["token"])

        self.connect()
        self.connect(careless)
        user_login_failed.send(
            __name__, credentials={"username": "ann", "token": secret}, request=None
        )
        assert len(stored()) == 1
        assert secret.encode() not in (stored()[0].value or b"")
        assert "careless of user_login_failed" in caplog.text
        assert secret not in caplog.text

    def test_other_auth_signals_fail_as_any_other(self) -> None:
        @outbox.receiver(user_logged_in)
        def on_login(user: User, **kwargs: object) -> LoginFailed:
            return LoginFailed(username="")

        with pytest.raises(Exception, match="key"):
            user_logged_in.send(User, request=None, user=User.objects.create(username="ann"))


def test_signals_of_related_sets_are_recorded() -> None:
    from django.contrib.auth.models import Group

    @outbox.receiver(m2m_changed, sender=User.groups.through)
    def on_change(action: str, **kwargs: object) -> Said | None:
        return Said(who="me", what=action) if action.startswith("post") else None

    user = User.objects.create(username="ann")
    user.groups.add(Group.objects.create(name="g"))
    user.groups.clear()
    assert said() == ["post_add", "post_clear"]


@contextmanager
def maybe_atomic(inside: bool) -> Iterator[None]:
    if inside:
        with transaction.atomic():
            yield
    else:
        yield


def test_the_logger_is_called_outbox() -> None:
    assert logging.getLogger("outbox").name == "outbox"
