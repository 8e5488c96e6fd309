"""Whichever way rows are written, and however it ends: the events, applied in order, give them."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import wraps
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.db.models.signals import post_save
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import outbox
from outbox.buffer import Buffer
from outbox.captured import Captured
from outbox.tables import Table
from schemas import Change, encode
from tests.app.events import Said
from tests.app.models import (
    Article,
    Customer,
    Label,
    Line,
    Listing,
    Lorry,
    Member,
    Note,
    Order,
    Remark,
    Seat,
    Shelf,
    Talk,
    Vehicle,
)
from tests.integration.outbox import ways
from tests.integration.outbox.ways import PAST_DJANGO, WAYS, Rows, empty_tables
from tests.stored import Stored, stored

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "test.orders": (Order, ("id",)),
    "test.lines": (Line, ("id",)),
    "test.articles": (Article, ("slug",)),
    "test.vehicles": (Vehicle, ("id",)),
    "test.lorries": (Lorry, ("vehicle_ptr_id",)),
    "test.seats": (Seat, ("row", "number")),
    "test.members": (Member, ("number",)),
    "test.remarks": (Remark, ("id",)),
    "test.talks": (Talk, ("id",)),
    "test.listings": (Listing, ("id",)),
    "test.shelves": (Shelf, ("code",)),
    "test.talk-tags": (Talk.tags.through, ("id",)),
}
UNSEEN = {"internal_note", "note", "password"}
N = st.integers(0, 8)


class Stop(Exception):
    pass


def usable() -> bool:
    """Django runs no statement in a block that will be rolled back."""
    return not connection.needs_rollback


def in_transaction() -> bool:
    return connection.in_atomic_block or not connection.get_autocommit()


class Program(RuleBasedStateMachine):
    """Writes in autocommit, in blocks of `atomic()` and in transactions by hand."""

    def __init__(self) -> None:
        super().__init__()
        empty_tables()
        self.numbers = count(1)
        self.scopes: list[Any] = []  # blocks of atomic(), and savepoints by hand by their names
        self.consumer = Consumer()

    @precondition(lambda self: usable())
    @rule(
        writes=st.lists(st.tuples(st.sampled_from(WAYS + PAST_DJANGO), N), min_size=1, max_size=4)
    )
    def write(self, writes: list[tuple[tuple[type[Rows], str], int]]) -> None:
        for (kind, name), n in writes:
            getattr(kind(self.numbers), name)(n)

    @precondition(lambda self: usable())
    @rule()
    def say(self) -> None:
        """A domain event beside its row."""
        word = f"word {next(self.numbers)}"
        with transaction.atomic():
            Note.objects.create(text=word)
            outbox.record(Said(who="me", what=word))

    @precondition(lambda self: usable())
    @rule()
    def swallow(self) -> None:
        """The event of this row cannot be recorded, and nobody notices."""
        with transaction.atomic():
            Note.objects.create(text=f"word {next(self.numbers)}")
            with contextlib.suppress(outbox.OutboxError):
                outbox.record("no event")  # type: ignore[arg-type]

    @precondition(lambda self: usable() and len(self.scopes) < 6)
    @rule(savepoint=st.booleans())
    def begin(self, savepoint: bool) -> None:
        block = transaction.atomic(savepoint=savepoint)
        block.__enter__()
        self.scopes.append(block)

    @precondition(lambda self: self.blocks())
    @rule(succeeds=st.booleans())
    def end(self, succeeds: bool) -> None:
        while isinstance(block := self.scopes.pop(), str):
            pass  # a savepoint that nobody ends, ends with its block
        stop = None if succeeds else Stop()
        block.__exit__(stop and Stop, stop, None)

    @precondition(lambda self: usable() and in_transaction())
    @rule()
    def set_savepoint(self) -> None:
        self.scopes.append(transaction.savepoint())

    @precondition(lambda self: usable() and self.scopes and isinstance(self.scopes[-1], str))
    @rule(how=st.sampled_from(["release", "roll back", "roll back and stay"]))
    def end_savepoint(self, how: str) -> None:
        if how == "release":
            transaction.savepoint_commit(self.scopes.pop())
            return
        transaction.savepoint_rollback(self.scopes[-1])
        if how == "roll back":
            self.scopes.pop()

    @precondition(lambda self: any(connection.savepoint_ids[-1:]))
    @rule()
    def set_rollback(self) -> None:
        transaction.set_rollback(True)

    @precondition(lambda self: not in_transaction())
    @rule()
    def begin_by_hand(self) -> None:
        transaction.set_autocommit(False)

    @precondition(lambda self: not connection.get_autocommit() and not self.blocks())
    @rule(succeeds=st.booleans(), more=st.booleans())
    def end_by_hand(self, succeeds: bool, more: bool) -> None:
        self.scopes.clear()
        transaction.commit() if succeeds and usable() else transaction.rollback()
        if not more:
            transaction.set_autocommit(True)

    @invariant()
    def the_consumer_has_the_rows(self) -> None:
        if not in_transaction():
            self.consumer.read()
            for topic, (model, key) in CAPTURED.items():
                assert self.consumer.states[topic] == rows(model, key), topic
            assert self.consumer.words == list(
                Note.objects.order_by("id").values_list("text", flat=True)
            )

    def teardown(self) -> None:
        while self.blocks():
            self.end(succeeds=False)
        if not connection.get_autocommit():
            transaction.rollback()
            transaction.set_autocommit(True)

    def blocks(self) -> list[Any]:
        return [scope for scope in self.scopes if not isinstance(scope, str)]


class Consumer:
    """It began with nothing, and applies what it reads: the state of each key, by topic."""

    def __init__(self) -> None:
        self.states: dict[str, dict[str, Any]] = {topic: {} for topic in CAPTURED}
        self.words: list[str] = []
        self._last = 0

    def read(self) -> None:
        for row in stored(after=self._last):
            self._last = row.id
            if row.value is None:
                assert row.key not in self.states[row.topic]
            else:
                self._apply(row)

    def _apply(self, row: Stored) -> None:
        event = row.event
        assert encode(event) == row.value
        if isinstance(event, Said):
            self.words.append(event.what)
        else:
            assert isinstance(event, Change)
            self._change(row.key, row.json, self.states[row.topic])

    def _change(self, key: str, change: dict[str, Any], states: dict[str, Any]) -> None:
        before, after = states.get(key), change["after"]
        assert (change["op"] == "create") == (before is None)
        assert change["before"] in (None, before)
        if change["op"] == "delete":
            assert change["before"] == states.pop(key)
            return
        if change["changed"] is not None:
            assert before is not None
            assert set(change["changed"]) == {name for name in after if after[name] != before[name]}
        states[key] = after


def rows(model: Any, key: tuple[str, ...]) -> dict[str, Any]:
    """The rows as a consumer should know them, read by Django and nothing of the outbox."""
    found = {}
    for values in model._base_manager.values():
        if model is Article:
            wanted = {"slug": "slug", "title": "title", "author": "author_id"}
            values = {name: values[column] for name, column in wanted.items()}
        state = {name: plain(value) for name, value in values.items() if name not in UNSEEN}
        parts = [str(values[name]) for name in key]
        found[parts[0] if len(parts) == 1 else json.dumps(parts, separators=(",", ":"))] = state
    return found


def plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal | UUID) else value


def meddle(instance: Any, created: bool, **kwargs: object) -> None:
    """A receiver that writes what it was told of, another time or not at all."""
    if created and instance.pk % 3 == 0:
        type(instance).objects.filter(pk=instance.pk).update(**{MEDDLED[type(instance)]: 77})
    if created and instance.pk % 3 == 1:
        with contextlib.suppress(Stop), transaction.atomic():
            type(instance).objects.filter(pk=instance.pk).update(**{MEDDLED[type(instance)]: 78})
            raise Stop


MEDDLED: dict[type, str] = {Order: "quantity", Vehicle: "wheels", Lorry: "load"}


@pytest.fixture(autouse=True)
def _meddling() -> Iterator[None]:
    for model in MEDDLED:
        post_save.connect(meddle, sender=model)
    yield
    for model in MEDDLED:
        post_save.disconnect(meddle, sender=model)


@pytest.fixture(autouse=True)
def _short_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some events are written early, some are inserted and some are copied."""
    monkeypatch.setattr("outbox.buffer.ROWS_PER_STATEMENT", 4)
    monkeypatch.setattr("outbox.insertion.COPIED_FROM", 3)


def test_the_events_of_any_program_applied_in_order_give_the_rows() -> None:
    run_state_machine_as_test(Program, settings=settings(max_examples=100, stateful_step_count=30))


def first_row_only(self: Table, writes: Any, buffer: Buffer) -> None:
    for each in self.followers:
        each.written(writes[:1], buffer)


def nothing_dropped(self: Buffer, position: int) -> None:
    return None


def never_moved(self: Captured, before: Any, after: Any) -> bool:
    return False


def forgotten_release(self: Buffer, sid: str) -> None:
    if (index := self._savepoints.index(sid)) is not None:
        self.truncate(index + 1)


@pytest.mark.parametrize(
    ("owner", "method", "fault"),
    [
        (Table, "written", first_row_only),
        (Buffer, "_drop", nothing_dropped),
        (Buffer, "unmark", forgotten_release),
        (Captured, "_moved", never_moved),
    ],
)
def test_programs_find_a_fault(
    owner: type, method: str, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, method, fault)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Program,
            settings=settings(
                max_examples=200,
                stateful_step_count=30,
                database=None,
                phases=[Phase.generate],
            ),
        )


def kinds_of_writers() -> dict[str, type]:
    """What has methods that write, by which Django says so: `alters_data`."""
    talk, label = Talk(pk=1), Label(pk=1)
    managers = {
        "one to many": Order(pk=1).lines,
        "one to many or none": Customer().article_set,
        "many to many": talk.tags,
        "its other side": label.tagged,
        "generic relation": talk.remarks,
    }
    kinds = {name: type(manager) for name, manager in managers.items()}
    return {"rows": QuerySet, "row": Model, **kinds}


def writers_of(kind: type) -> set[str]:
    """A manager of a relation has some of its own, and those of querysets besides."""
    own = vars(kind) if "Manager" in kind.__name__ else dir(kind)
    public = (name for name in own if not name.startswith("_"))
    return {name for name in public if getattr(getattr(kind, name), "alters_data", False)}


def watched(method: Callable[..., Any], seen: set[Any], what: tuple[str, str]) -> Any:
    @wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        caller = sys._getframe(1)
        if caller.f_code.co_filename.endswith("db/models/manager.py") and caller.f_back:
            caller = caller.f_back
        if caller.f_code.co_filename == ways.__file__:
            seen.add(what)
        return method(*args, **kwargs)

    return run


def test_every_method_of_django_that_writes_is_among_the_ways(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty_tables()
    seen: set[tuple[str, str]] = set()
    wanted = {
        (label, name) for label, kind in kinds_of_writers().items() for name in writers_of(kind)
    }
    for label, kind in kinds_of_writers().items():
        for name in writers_of(kind):
            monkeypatch.setattr(kind, name, watched(getattr(kind, name), seen, (label, name)))
    with outbox.suppress():
        for way, name in WAYS:
            for n in range(9):
                with contextlib.suppress(Stop), transaction.atomic():
                    getattr(way(count(1)), name)(n)
                    raise Stop
    assert len(wanted) > 70
    assert wanted - seen == set()
