"""Whatever a transaction does, the events that are left are those of the rows that are left."""

import contextlib
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import outbox
from tests.app.events import Said
from tests.app.models import Note
from tests.stored import said

pytestmark = pytest.mark.django_db(transaction=True)

Step = tuple[object, ...]
LEAVES = st.sampled_from([("say",)] * 8 + [("swallow",), ("set_rollback",)])


def nested(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    body = st.lists(steps, min_size=1, max_size=4)
    return st.one_of(
        st.tuples(st.just("atomic"), st.sampled_from([True, True, False]), st.booleans(), body),
        st.tuples(st.just("savepoint"), st.sampled_from(["rollback", "release", "leave"]), body),
        st.tuples(st.just("again"), body, body),
    )


PROGRAMS = st.lists(st.recursive(LEAVES, nested, max_leaves=12), min_size=2, max_size=8)


class Stop(Exception):
    pass


class Interpreter:
    """Runs a program that writes a row beside each event."""

    def __init__(self) -> None:
        self._words = map(str, count())

    def run(self, steps: list[Step]) -> None:
        for name, *arguments in steps:
            # Django runs no statement in a block that will be rolled back.
            if not connection.needs_rollback:
                getattr(self, f"_{name}")(*arguments)

    def _say(self) -> None:
        word = next(self._words)
        Note.objects.create(text=word)
        outbox.record(Said(who="me", what=word))

    def _swallow(self) -> None:
        """The event of this row cannot be recorded, and nobody notices."""
        if self._in_a_savepoint():
            Note.objects.create(text=next(self._words))
            with contextlib.suppress(Exception):
                outbox.record(Said(who=""))

    def _set_rollback(self) -> None:
        if self._in_a_savepoint():
            transaction.set_rollback(True)

    def _in_a_savepoint(self) -> bool:
        """Elsewhere the whole program would come to nothing."""
        return bool(connection.savepoint_ids) and connection.savepoint_ids[-1] is not None

    def _atomic(self, savepoint: bool, succeeds: bool, body: list[Step]) -> None:
        savepoint = savepoint or not succeeds
        with contextlib.suppress(Stop), transaction.atomic(savepoint=savepoint):
            self.run(body)
            if not succeeds:
                raise Stop

    def _savepoint(self, end: str, body: list[Step]) -> None:
        sid = transaction.savepoint()
        self.run(body)
        if connection.needs_rollback:
            return
        if end == "rollback":
            transaction.savepoint_rollback(sid)
        elif end == "release":
            transaction.savepoint_commit(sid)

    def _again(self, first: list[Step], second: list[Step]) -> None:
        """A savepoint that is rolled back to twice."""
        sid = transaction.savepoint()
        for body in (first, second):
            self.run(body)
            if not connection.needs_rollback:
                transaction.savepoint_rollback(sid)


def committed(run: Callable[[], None]) -> None:
    with transaction.atomic():
        run()


def by_hand(run: Callable[[], None]) -> None:
    transaction.set_autocommit(False)
    try:
        run()
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@pytest.fixture(autouse=True)
def _short_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outbox.buffer.ROWS_PER_STATEMENT", 3)


@pytest.mark.parametrize("transact", [committed, by_hand])
@given(programs=st.lists(PROGRAMS, min_size=1, max_size=3))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_events_of_any_program_are_those_of_its_rows_in_their_order(
    transact: Callable[[Callable[[], None]], None], programs: list[list[Step]]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE testapp_note, outbox_event")
    interpreter = Interpreter()
    for program in programs:
        transact(partial(interpreter.run, program))
    rows = Note.objects.order_by("id").values_list("text", flat=True)
    assert said() == list(rows)
