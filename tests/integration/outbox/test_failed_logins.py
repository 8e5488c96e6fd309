"""A failed login is recorded, never broken, and what was typed is nowhere to be read."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import transaction
from pydantic import ValidationError

import outbox
from tests.app.models import Note
from tests.stored import stored

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("receivers_of_the_test"),
]


class LoginFailed(outbox.Event, type="test.login-failed", topic="test.logins", key="username"):
    username: str


class Strict(outbox.Event, type="outbox.test.strict", topic="test.logins", key="username"):
    username: int


def careless(credentials: dict[str, Any], **kwargs: object) -> Strict:
    return Strict(username=credentials["token"])


def test_what_a_careless_receiver_raises_quotes_the_secret() -> None:
    with pytest.raises(ValidationError, match="an-open-secret"):
        careless({"token": "an-open-secret"})


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
        (record,) = caplog.records
        assert (record.name, record.levelname) == ("outbox", "ERROR")
        assert "on_failure of user_login_failed could not record its event: MissingKey" in (
            record.getMessage()
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
        self.connect()
        self.connect(careless)
        secret = self.fail_to_log_in()
        assert [row.json for row in stored()] == [{"username": "ann"}]
        assert "careless of user_login_failed could not record its event: ValidationError" in (
            caplog.text
        )
        assert secret not in caplog.text

    def test_a_failure_that_the_receiver_swallows_is_logged_without_its_message(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def reckless(credentials: dict[str, Any], **kwargs: object) -> None:
            with suppress(Exception):
                outbox.record(credentials["token"])

        self.connect(reckless)
        with transaction.atomic():
            Note.objects.create()
            self.fail_to_log_in()
        assert Note.objects.count() == 1
        (record,) = caplog.records
        assert record.getMessage().endswith("its block of atomic() will be rolled back: NotAnEvent")

    def test_after_a_failed_login_failures_are_logged_with_their_message(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.connect()
        self.fail_to_log_in()
        with transaction.atomic(), suppress(Exception):
            outbox.record(7)  # type: ignore[arg-type]
        assert "NotAnEvent: a int is no event" in caplog.text

    def fail_to_log_in(self) -> str:
        """Django itself masks passwords only: the rest of what was typed is there to see."""
        secret = secrets.token_hex(16)
        user_login_failed.send(
            __name__, credentials={"username": "ann", "token": secret}, request=None
        )
        return secret

    def test_other_auth_signals_fail_as_any_other(self) -> None:
        @outbox.receiver(user_logged_in)
        def on_login(user: User, **kwargs: object) -> LoginFailed:
            return LoginFailed(username="")

        with pytest.raises(Exception, match="key"):
            user_logged_in.send(User, request=None, user=User.objects.create(username="ann"))


@contextmanager
def maybe_atomic(inside: bool) -> Iterator[None]:
    if inside:
        with transaction.atomic():
            yield
    else:
        yield
