"""What the system checks say about topics and keys."""

from collections.abc import Iterator

import pytest
from django.core.checks.registry import registry as system_checks
from django.db import models
from django.test.utils import override_settings
from pydantic import BaseModel

import outbox
from outbox import bypasses, checks, trigger_checks
from outbox.capture import release
from schemas import Change, registry
from tests.app.models import Customer, Note
from tests.system_checks import messages


class State(BaseModel):
    id: int


@pytest.fixture(autouse=True)
def _own_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the suite's application declares topics: other tests have contracts of their own."""
    known = {
        contract: event
        for contract, event in registry._classes.items()
        if event.__module__.startswith("tests.app.")
    }
    monkeypatch.setattr(registry, "_classes", known)


@pytest.fixture
def _release() -> Iterator[None]:
    yield
    for model in (Note, Customer):
        release(model)


def test_every_check_is_run_by_manage_py() -> None:
    written = {
        function
        for module in (checks, bypasses, trigger_checks)
        for name, function in vars(module).items()
        if name.startswith("check_")
    }
    assert len(written) > 10
    assert written <= set(system_checks.get_checks())


def test_the_models_of_the_suite_pass() -> None:
    assert messages() == []


@pytest.mark.usefixtures("_release")
def test_states_and_events_on_one_topic_are_refused_with_both_named() -> None:
    outbox.capture(topic="test.said")(Note)
    outbox.capture(topic="test.customers")(Customer)
    (message,) = messages("outbox.E002")
    assert "'test.said'" in message.msg
    assert "captured model testapp.Note, event tests.app.events.Said" in message.msg
    assert message.hint


@pytest.mark.usefixtures("_release")
def test_two_captured_models_on_one_topic_are_refused_with_both_named() -> None:
    outbox.capture(topic="test.shared")(Note)
    outbox.capture(topic="test.shared")(Customer)
    (message,) = messages("outbox.E003")
    assert "captured model testapp.Note, captured model testapp.Customer" in message.msg


def test_a_state_that_a_user_wrote_and_an_event_on_one_topic_are_refused() -> None:
    class OwnChange(Change[State], type="test.own", topic="test.said", key="id"): ...

    (message,) = messages("outbox.E002")
    assert "event tests.app.events.Said, event " in message.msg
    assert "OwnChange" in message.msg


def test_a_state_that_a_user_wrote_on_the_topic_of_a_captured_model_is_refused() -> None:
    class OwnChange(Change[State], type="test.own", topic="test.orders", key="id"): ...

    (message,) = messages("outbox.E003")
    assert "captured model testapp.Order, event " in message.msg
    assert "OwnChange" in message.msg
    assert messages("outbox.E002") == []


def test_states_of_two_types_on_one_topic_are_refused() -> None:
    class One(Change[State], type="test.one", topic="test.own", key="id"): ...

    class Two(Change[State], type="test.two", topic="test.own", key="id"): ...

    (message,) = messages("outbox.E003")
    assert "'test.own'" in message.msg


def test_versions_of_one_state_share_a_topic() -> None:
    class First(Change[State], type="test.own", version=1, topic="test.own", key="id"): ...

    class Second(Change[State], type="test.own", version=2, topic="test.own", key="id"): ...

    class OldOrder(
        Change[State], type="testapp.order", version=99, topic="test.orders", key="id"
    ): ...

    assert messages("outbox.E003") == []


@pytest.mark.usefixtures("_release")
def test_two_captured_models_are_not_versions_of_one_state() -> None:
    outbox.capture(topic="test.shared", type="test.shared", version=1)(Note)
    outbox.capture(topic="test.shared", type="test.shared", version=2)(Customer)
    (message,) = messages("outbox.E003")
    assert "captured model testapp.Note, captured model testapp.Customer" in message.msg


@pytest.mark.usefixtures("_release")
def test_a_key_that_is_not_unique_is_refused() -> None:
    outbox.capture(topic="test.notes", key="text")(Note)
    outbox.capture(topic="test.customers", key="id")(Customer)
    (message,) = messages("outbox.E006")
    assert message.obj is Note
    assert "'text', which is not unique" in message.msg


@pytest.mark.usefixtures("_release")
def test_a_key_that_a_constraint_makes_unique_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    one = models.UniqueConstraint(fields=["text"], name="one")
    some = models.UniqueConstraint(fields=["text"], condition=models.Q(id__gt=1), name="some")
    outbox.capture(topic="test.notes", key="text")(Note)
    outbox.capture(topic="test.customers")(Customer)
    for constraints, faults in (([one], 0), ([some], 1)):
        monkeypatch.setattr(Note._meta, "constraints", constraints)
        Note._meta.__dict__.pop("total_unique_constraints", None)
        assert len(messages("outbox.E006")) == faults
    monkeypatch.undo()
    Note._meta.__dict__.pop("total_unique_constraints", None)


@pytest.mark.usefixtures("_release")
def test_a_key_that_may_be_null_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Note._meta.get_field("text")
    monkeypatch.setattr(text, "unique", True)
    monkeypatch.setattr(text, "null", True)
    outbox.capture(topic="test.notes", key="text")(Note)
    outbox.capture(topic="test.customers", key="id")(Customer)
    (message,) = messages("outbox.E006")
    assert message.obj is Note
    assert "'text', which may be NULL" in message.msg
    assert "null=True" in (message.hint or "")


@pytest.mark.usefixtures("_release")
def test_a_contract_that_cannot_be_made_is_named() -> None:
    outbox.capture(topic="test.notes", fields=["txt"])(Note)
    outbox.capture(topic="test.customers", type="testapp.order")(Customer)
    unknown, taken = messages("outbox.E007")
    assert (unknown.obj, taken.obj) == (Note, Customer)
    assert "no column for 'txt'" in unknown.msg
    assert "testapp.order version 1 is claimed by" in taken.msg


@override_settings(OUTBOX_TOPICS={"test.orders": {"kind": "events"}})
def test_a_setting_that_contradicts_a_captured_model_is_refused() -> None:
    (message,) = messages("outbox.E002")
    assert "captured model testapp.Order, setting OUTBOX_TOPICS" in message.msg


@override_settings(
    OUTBOX_TOPICS={
        "test.ordres": {"partitions": 3},
        "elsewhere": {},
        "test.audit": {"kind": "events"},
        "test.orders": {"partitions": 3},
    }
)
def test_a_topic_of_the_setting_that_nothing_travels_on_is_a_warning_with_the_one_meant() -> None:
    elsewhere, misspelt = messages()
    assert {elsewhere.id, misspelt.id} == {"outbox.W011"}
    assert "'test.ordres', on which nothing" in misspelt.msg
    assert (misspelt.hint or "").startswith("Did you mean 'test.orders'? Give")
    assert "'elsewhere'" in elsewhere.msg
    assert (elsewhere.hint or "").startswith("Give it a kind")
