"""A failure to record that the caller swallows costs its block of atomic(), and is logged."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError

import outbox
from outbox.errors import NotAnEvent
from tests.app.models import Note
from tests.stored import said
from tests.words import Stop, fail, say

pytestmark = pytest.mark.django_db(transaction=True)


def reports(log: pytest.LogCaptureFixture) -> list[str]:
    assert {(each.name, each.levelname) for each in log.records} <= {("outbox", "ERROR")}
    return [each.getMessage() for each in log.records]


def fail_otherwise() -> None:
    with pytest.raises(outbox.OutboxError):
        outbox.record(7)  # type: ignore[arg-type]


def test_a_transaction_that_is_lost_is_logged_with_its_first_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with transaction.atomic():
        Note.objects.create()
        fail()
        fail_otherwise()
    assert Note.objects.count() == 0
    (report,) = reports(caplog)
    assert "the transaction will be rolled back: NotAnEvent: a str is no event; use" in report


def test_a_block_with_a_savepoint_is_lost_alone_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with transaction.atomic():
        say("a")
        with transaction.atomic():
            say("b")
            fail()
    assert said() == ["a"]
    (report,) = reports(caplog)
    assert "its block of atomic() will be rolled back: NotAnEvent" in report


def test_a_block_without_a_savepoint_is_logged_as_the_transaction_that_it_loses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with transaction.atomic():
        say("a")
        with transaction.atomic(savepoint=False):
            fail()
    assert said() == []
    (report,) = reports(caplog)
    assert "the transaction will be rolled back" in report


def test_each_transaction_is_logged_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with transaction.atomic():
            fail()
    with transaction.atomic():
        say("a")
    assert len(reports(caplog)) == 2


def test_it_is_logged_where_another_exception_is_being_handled_around_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        raise Stop
    except Stop:
        with transaction.atomic():
            fail()
    assert len(reports(caplog)) == 1


def let_it_pass() -> None:
    outbox.record("no event")  # type: ignore[arg-type]


def wrap_it() -> None:
    try:
        let_it_pass()
    except NotAnEvent as exc:
        raise LookupError from exc


def swallow_it_and_go_on() -> None:
    fail()
    Note.objects.create()


def swallow_it_and_fail_otherwise() -> None:
    fail()
    raise LookupError


@pytest.mark.parametrize(
    "work", [let_it_pass, wrap_it, swallow_it_and_go_on, swallow_it_and_fail_otherwise]
)
@pytest.mark.parametrize("handling", [False, True])
def test_nothing_is_logged_where_an_exception_leaves_the_block(
    work: Callable[[], None], handling: bool, caplog: pytest.LogCaptureFixture
) -> None:
    expected = pytest.raises((NotAnEvent, LookupError, TransactionManagementError))
    try:
        if handling:
            raise Stop
    except Stop:
        with expected, transaction.atomic():
            work()
    else:
        with expected, transaction.atomic(), transaction.atomic():
            work()
    assert reports(caplog) == []


def test_nothing_is_logged_where_the_user_rolls_back(caplog: pytest.LogCaptureFixture) -> None:
    with transaction.atomic():
        sid = transaction.savepoint()
        fail()
        transaction.set_rollback(False)
        transaction.savepoint_rollback(sid)
        say("a")
    transaction.set_autocommit(False)
    fail()
    transaction.rollback()
    transaction.set_autocommit(True)
    assert said() == ["a"]
    assert reports(caplog) == []


def test_nothing_is_logged_for_the_block_of_a_test_case(caplog: pytest.LogCaptureFixture) -> None:
    block: Any = transaction.atomic()
    block._from_testcase = True
    with block:
        fail()
    assert reports(caplog) == []


def test_what_uses_the_transaction_further_is_told_the_cause() -> None:
    with transaction.atomic():
        fail()
        with pytest.raises(TransactionManagementError) as caught:
            Note.objects.create()
    assert isinstance(caught.value.__cause__, NotAnEvent)
