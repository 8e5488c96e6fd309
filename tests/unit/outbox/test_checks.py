"""What the system checks say about topics and keys."""

from collections.abc import Iterator

import pytest
from django.core.checks import CheckMessage, run_checks
from django.test.utils import override_settings

import outbox
from outbox.capture import release
from tests.app.models import Customer, Note


@pytest.fixture
def _release() -> Iterator[None]:
    yield
    for model in (Note, Customer):
        release(model)


def found(identifier: str) -> list[CheckMessage]:
    return [each for each in run_checks() if each.id == identifier]


def test_the_models_of_the_suite_pass() -> None:
    assert [each for each in run_checks() if (each.id or "").startswith("outbox.")] == []


@pytest.mark.usefixtures("_release")
def test_states_and_events_on_one_topic_are_refused_with_both_named() -> None:
    outbox.capture(topic="test.said")(Note)
    outbox.capture(topic="test.customers")(Customer)
    (message,) = found("outbox.E002")
    assert "'test.said'" in message.msg
    assert "captured model testapp.Note, event tests.app.events.Said" in message.msg
    assert message.hint


@pytest.mark.usefixtures("_release")
def test_two_captured_models_on_one_topic_are_refused_with_both_named() -> None:
    outbox.capture(topic="test.shared")(Note)
    outbox.capture(topic="test.shared")(Customer)
    (message,) = found("outbox.E003")
    assert "captured model testapp.Note, captured model testapp.Customer" in message.msg


@pytest.mark.usefixtures("_release")
def test_a_key_that_is_not_unique_is_refused() -> None:
    outbox.capture(topic="test.notes", key="text")(Note)
    outbox.capture(topic="test.customers", key="id")(Customer)
    (message,) = found("outbox.E006")
    assert message.obj is Note
    assert "'text', which is not unique" in message.msg


@pytest.mark.usefixtures("_release")
def test_a_contract_that_cannot_be_made_is_named() -> None:
    outbox.capture(topic="test.notes", fields=["txt"])(Note)
    outbox.capture(topic="test.customers", type="testapp.order")(Customer)
    unknown, taken = found("outbox.E007")
    assert (unknown.obj, taken.obj) == (Note, Customer)
    assert "no column for 'txt'" in unknown.msg
    assert "testapp.order version 1 is claimed by" in taken.msg


@override_settings(OUTBOX_TOPICS={"test.orders": {"kind": "events"}})
def test_a_setting_that_contradicts_a_captured_model_is_refused() -> None:
    (message,) = found("outbox.E002")
    assert "captured model testapp.Order, setting OUTBOX_TOPICS" in message.msg
