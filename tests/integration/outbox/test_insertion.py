"""How events get into their table."""

from threading import Thread

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext, override_settings

import outbox
from outbox import insertion
from outbox.buffer import buffer_of
from tests.app.events import Said
from tests.app.models import Order
from tests.stored import said, stored
from tests.waiting import meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


def say(*words: str, who: str = "me") -> None:
    with transaction.atomic():
        outbox.record(*(Said(who=who, what=word) for word in words))


def flush() -> None:
    """What happens first at a commit, while the transaction stays open."""
    buffer_of(connection).flush()


@pytest.mark.parametrize("many", [insertion.COPIED_FROM - 1, insertion.COPIED_FROM, 3_000])
def test_few_and_many_are_the_same_in_the_table(many: int) -> None:
    words = [f"Zürich {n} \\ \t\0"[: -1 if n % 2 else None].replace("\0", "") for n in range(many)]
    with outbox.context(actor="Zoë"):
        say(*words)
    assert said() == words
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT convert_from(headers, 'UTF8'), version, subject, xid IS NOT NULL, "
            "created_at IS NOT NULL FROM outbox_event"
        )
        assert cursor.fetchall() == [('{"actor": "Zoë"}', 1, "me", True, True)]


def test_many_are_copied_in_one_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        say(*map(str, range(insertion.COPIED_FROM)))
    assert [query["sql"].split()[0] for query in queries][1:-1] == ["COPY"]


def test_a_copy_that_the_database_refuses_is_a_database_error_and_undoes_the_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE outbox_event ADD CONSTRAINT no CHECK (subject <> 'no')")
    try:
        with pytest.raises(IntegrityError, match="violates check constraint"), transaction.atomic():
            Order.objects.bulk_create([Order(number="a")] * insertion.COPIED_FROM)
            outbox.record(Said(who="no"))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE outbox_event DROP CONSTRAINT no")
    assert (Order.objects.count(), stored()) == (0, [])
    say("after")
    assert said() == ["after"]


class TestStrictKeyOrder:
    """A key that no lock of a row guards, such as that of a custom signal."""

    def test_a_key_is_written_by_one_transaction_at_a_time(self) -> None:
        with override_settings(OUTBOX_STRICT_KEY_ORDER=True), meanwhile(lambda: say("second")):
            say("first")
            flush()
        assert said() == ["first", "second"]

    def test_without_it_nobody_waits(self) -> None:
        self.require_no_waiting(who="me")

    def test_other_keys_do_not_wait(self) -> None:
        with override_settings(OUTBOX_STRICT_KEY_ORDER=True):
            self.require_no_waiting(who="you")

    def require_no_waiting(self, who: str) -> None:
        with transaction.atomic():
            say("first")
            flush()
            other = Thread(target=self.say_elsewhere, args=(who,))
            other.start()
            other.join(10)
            assert not other.is_alive()
        assert said() == ["first", "second"]

    def say_elsewhere(self, who: str) -> None:
        say("second", who=who)
        connection.close()

    @override_settings(OUTBOX_STRICT_KEY_ORDER=True)
    def test_it_costs_one_statement_for_all_keys(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            say("a")
        verbs = [query["sql"].split()[0] for query in queries]
        assert verbs == ["BEGIN", "SELECT", "INSERT", "COMMIT"]
