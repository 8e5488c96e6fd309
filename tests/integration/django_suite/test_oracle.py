"""The oracle of the run of Django's own tests."""

from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from outbox.recorded import Recorded
from tests.app.models import Lorry, Order
from tests.django_suite.oracle import Inconsistent, Oracle, compare, stored_rows

pytestmark = pytest.mark.django_db(transaction=True)


def write() -> None:
    Order.objects.create(number="1")
    other = Order.objects.create(number="2")
    Lorry.objects.create(load=1)
    Order.objects.update(quantity=2)
    Order.objects.update(total=3)
    Lorry.objects.update(load=2)
    other.delete()


@pytest.fixture
def oracle() -> Iterator[Oracle]:
    oracle = Oracle()
    with oracle.watching():
        yield oracle


def noticed(oracle: Oracle, history: list[Recorded]) -> bool:
    try:
        compare(oracle.applied(history), stored_rows())
    except Inconsistent:
        return True
    return False


def test_events_give_the_rows_committed_or_not(oracle: Oracle) -> None:
    write()
    oracle.compare("committed")
    with transaction.atomic():
        Order.objects.create(number="3")
        oracle.compare("open")
        transaction.set_rollback(True)
    oracle.compare("rolled back")
    assert (oracle.comparisons, oracle.unreadable) == (3, [])


def test_an_event_that_is_missing_is_noticed(oracle: Oracle) -> None:
    write()
    history = oracle.history()
    assert not noticed(oracle, history)
    for at in range(len(history)):
        assert noticed(oracle, history[:at] + history[at + 1 :]), history[at]


def test_two_events_of_one_key_that_change_places_are_noticed(oracle: Oracle) -> None:
    write()
    history = oracle.history()
    pairs = [
        (one, other)
        for one in range(len(history))
        for other in range(one + 1, len(history))
        if (history[one].topic, history[one].key) == (history[other].topic, history[other].key)
    ]
    assert len(pairs) > 10
    for one, other in pairs:
        swapped = list(history)
        swapped[one], swapped[other] = history[other], history[one]
        assert noticed(oracle, swapped), (history[one], history[other])


def test_a_row_that_nothing_tells_of_is_noticed(oracle: Oracle) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO testapp_vehicle (wheels) VALUES (3)")
    with pytest.raises(Inconsistent, match="the events give None"):
        oracle.compare("raw SQL")


def test_a_transaction_that_failed_cannot_be_read(oracle: Oracle) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor, pytest.raises(Exception, match="does not exist"):
            cursor.execute("SELECT nothing")
        oracle.compare("failed")
        transaction.set_rollback(True)
    assert oracle.unreadable == ["failed"]
