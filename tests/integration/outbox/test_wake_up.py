"""Whoever writes an event wakes the publishers that sleep, when it commits."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

import outbox
from tests.app.events import Said
from tests.app.models import Note, Order

pytestmark = pytest.mark.django_db(transaction=True)

HOLD = "SELECT pg_try_advisory_lock(hashtextextended('outbox-publisher', 0))"
COLUMNS = "(event_id, topic, key, type, version)"
ROW = f"INSERT INTO outbox_event {COLUMNS} VALUES (gen_random_uuid(), 't', 'k', 't', 1)"


class Sleeping:
    """A session that sleeps as a publisher does."""

    def __init__(self, session: psycopg.Connection) -> None:
        self._session = session
        session.execute("LISTEN outbox_publisher")
        assert session.execute(HOLD).fetchone() == (True,)

    def rung(self) -> int:
        """How many transactions of others rang since this was asked last."""
        # What was sent before this one of our own has come by then.
        self._session.execute("NOTIFY outbox_publisher")
        for count, notify in enumerate(self._session.notifies(timeout=10)):
            if notify.pid == self._session.info.backend_pid:
                return count
        raise AssertionError("nothing came")


@pytest.fixture
def sleeping(transactional_db: None) -> Iterator[Sleeping]:
    connection.ensure_connection()
    raw = connection.connection
    with psycopg.connect(make_conninfo(raw.info.dsn, password=raw.info.password)) as session:
        session.autocommit = True
        yield Sleeping(session)


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def copy() -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY outbox_event {COLUMNS} FROM STDIN") as to,
    ):
        to.write_row(("01890a5d-ac96-774b-bcce-b302099a8057", "t", b"k", "t", 1))


def record() -> None:
    with transaction.atomic():
        outbox.record(*[Said(who="me", what=str(number)) for number in range(3)])


def save() -> None:
    Order.objects.create(number="1")


def captured_by_trigger() -> None:
    execute("INSERT INTO testapp_shelf (code, label, books) VALUES ('a', '', 1)")


def raw() -> None:
    execute(ROW)


@pytest.mark.parametrize("way", [copy, record, save, captured_by_trigger, raw])
def test_an_event_wakes_once_whichever_way_it_is_written(
    sleeping: Sleeping, way: Callable[[], None]
) -> None:
    way()
    assert sleeping.rung() == 1


def test_nobody_is_woken_before_the_commit_nor_without_an_event(sleeping: Sleeping) -> None:
    with transaction.atomic():
        Note.objects.create()
    with transaction.atomic():
        raw()
        transaction.set_rollback(True)
    with transaction.atomic():
        raw()
        assert sleeping.rung() == 0
    assert sleeping.rung() == 1


def test_what_a_savepoint_takes_back_wakes_nobody_and_what_comes_behind_it_does(
    sleeping: Sleeping,
) -> None:
    for behind in (False, True):
        with transaction.atomic():
            sid = transaction.savepoint()
            raw()
            transaction.savepoint_rollback(sid)
            if behind:
                raw()
        assert sleeping.rung() == behind


@pytest.mark.parametrize("path", ["''", "theirs, public", "pg_temp, theirs", "theirs, pg_catalog"])
def test_a_writer_wakes_whatever_its_search_path_is(sleeping: Sleeping, path: str) -> None:
    with transaction.atomic():
        execute("CREATE SCHEMA theirs")
        for function, result in (
            ("pg_try_advisory_xact_lock_shared(bigint)", "boolean"),
            ("hashtextextended(text, bigint)", "bigint"),
            ("pg_notify(text, text)", "void"),
            ("outbox_wake_up()", "boolean"),
        ):
            execute(
                f"CREATE FUNCTION theirs.{function} RETURNS {result} LANGUAGE plpgsql "
                "AS $$ BEGIN RAISE 'theirs'; END $$"
            )
        execute(f"SET LOCAL search_path = {path}")
        execute(ROW.replace("outbox_event", "public.outbox_event"))
        execute("SET LOCAL search_path = public")
        execute("DROP SCHEMA theirs CASCADE")
    assert sleeping.rung() == 1


def test_a_role_that_may_only_insert_wakes(sleeping: Sleeping) -> None:
    with transaction.atomic():
        execute("CREATE ROLE test_sleeper; GRANT INSERT ON outbox_event TO test_sleeper")
        execute("SET LOCAL ROLE test_sleeper")
        execute(ROW)
        execute("RESET ROLE")
        execute("DROP OWNED BY test_sleeper; DROP ROLE test_sleeper")
    assert sleeping.rung() == 1


def test_a_table_that_gets_another_name_keeps_its_trigger(sleeping: Sleeping) -> None:
    with transaction.atomic():
        execute("ALTER TABLE outbox_event RENAME TO outbox_event_later")
        execute(ROW.replace("outbox_event", "outbox_event_later"))
        execute("ALTER TABLE outbox_event_later RENAME TO outbox_event")
    assert sleeping.rung() == 1
