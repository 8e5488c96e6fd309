"""Connections that are opened, closed, lost and shared out."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, cast

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import OperationalError

import outbox
from outbox import buffer as buffers
from tests.needs import unmet
from tests.stored import said
from tests.threads import in_thread
from tests.words import Stop, say

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_thread_has_events_of_its_own() -> None:
    def work() -> None:
        with transaction.atomic():
            say("b")
        connection.close()

    with pytest.raises(Stop), transaction.atomic():
        say("a")
        in_thread(work)
        raise Stop
    assert said() == ["b"]


def test_a_connection_that_was_closed_and_opened_again_still_flushes() -> None:
    for word in ("a", "b"):
        with transaction.atomic():
            say(word)
        connection.close()
    assert said() == ["a", "b"]


def test_closing_the_connection_in_mid_transaction_forgets_its_events() -> None:
    with transaction.atomic():
        say("a")
        connection.close()
    with transaction.atomic():
        say("b")
    assert said() == ["b"]


def test_recording_after_the_connection_was_closed_in_mid_transaction_is_refused() -> None:
    with transaction.atomic():
        connection.close()
        with pytest.raises(outbox.OutboxError, match="closed in the middle"):
            say("a")
    with transaction.atomic():
        say("b")
    assert said() == ["b"]


def test_a_connection_that_the_server_ends_takes_its_events_with_it() -> None:
    with pytest.raises(OperationalError), transaction.atomic():
        say("a")
        terminate(connection.connection.info.backend_pid)
    connection.close()
    with transaction.atomic():
        say("b")
    assert said() == ["b"]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_connection_of_another_alias_is_left_as_django_made_it() -> None:
    other = connections["other"].copy()
    other.ensure_connection()
    assert not {"_commit", "_savepoint", buffers._ATTRIBUTE} & other.__dict__.keys()
    other.close()


@pytest.fixture
def pool() -> Iterator[Callable[[], BaseDatabaseWrapper]]:
    """Makes connections of Django's that take turns with one connection of a pool."""
    if find_spec("psycopg_pool") is None:
        unmet("psycopg_pool is not installed: install the extra dev")
    pooled: list[Any] = []

    def make() -> BaseDatabaseWrapper:
        made: Any = connection.copy()
        made.settings_dict["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 1, "timeout": 5}
        made.settings_dict["CONN_MAX_AGE"] = 0
        pooled.append(made)
        return cast("BaseDatabaseWrapper", made)

    yield make
    pooled[0].close_pool()


def test_a_pool_keeps_the_events_of_those_who_take_turns_apart(
    pool: Callable[[], BaseDatabaseWrapper],
) -> None:
    def in_turn() -> None:
        one, other = pool(), pool()
        for each, word in ((one, "a"), (other, "b"), (one, "c")):
            connections["default"] = each
            with transaction.atomic():
                say(word)
                with pytest.raises(Stop), transaction.atomic():
                    say("gone")
                    raise Stop
            each.close()

    in_thread(in_turn)
    assert said() == ["a", "b", "c"]


def test_what_was_recorded_on_a_pooled_connection_that_was_given_back_is_gone(
    pool: Callable[[], BaseDatabaseWrapper],
) -> None:
    def give_back() -> None:
        connections["default"] = pool()
        with transaction.atomic():
            say("gone")
            connection.close()
        with transaction.atomic():
            say("a")
        connection.close()

    in_thread(give_back)
    assert said() == ["a"]


def terminate(pid: int) -> None:
    parameters = connection.get_connection_params()
    wanted = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(
        **{name: parameters[name] for name in wanted if name in parameters}
    ) as own:
        own.execute("SELECT pg_terminate_backend(%s)", [pid])
