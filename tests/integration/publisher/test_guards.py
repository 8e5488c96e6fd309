"""Databases that the publisher must refuse, and what it says."""

from contextlib import closing
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from local.postgres import Postgres
from publisher.adapters.connection import TimedOut, answering, connect
from publisher.adapters.postgres import PostgresStore
from publisher.errors import (
    ConfigurationInvalid,
    CredentialsRejected,
    Fenced,
    StandsBy,
    StoreUnavailable,
    TimelineChanged,
)
from publisher.guards import RIGHTS
from publisher.ports import Limits
from publisher.position import Position
from publisher.window import Window
from tests.conftest import migrate
from tests.writers import Writer, execute, write


def refusal(url: str, error: type[Exception]) -> str:
    with closing(PostgresStore(url)) as store, pytest.raises(error) as caught:
        store.open()
    return str(caught.value)


def test_a_database_without_the_tables_is_waited_for(database_url: str) -> None:
    assert "manage.py migrate outbox" in refusal(database_url, StoreUnavailable)


@pytest.mark.parametrize("version", [1, 3])
def test_tables_of_another_schema_version_are_waited_for(
    migrated_database_url: str, version: int
) -> None:
    execute(migrated_database_url, f"UPDATE outbox_metadata SET schema_version = {version}")
    text = refusal(migrated_database_url, StoreUnavailable)
    assert f"schema version {version}" in text


def test_an_unknown_database_is_refused_at_once(migrated_database_url: str) -> None:
    text = refusal(migrated_database_url + "x", CredentialsRejected)
    assert "does not exist" in text
    assert "PUBLISHER_DATABASE_URL" in text


def test_a_wrong_password_is_refused_at_once_and_waited_for_later(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(migrated_database_url)
    wrong = parts._replace(
        netloc=f"{parts.username}:hunter2@{parts.hostname}:{parts.port}"
    ).geturl()
    text = refusal(wrong, CredentialsRejected)
    assert "password" in text
    assert "hunter2" not in text
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
        store.close()
        monkeypatch.setattr(store, "_url", wrong)
        with pytest.raises(StoreUnavailable, match="password"):
            store.open()


def test_an_unreachable_server_is_an_outage() -> None:
    text = refusal("postgresql://app:hunter2@127.0.0.1:1/shop", StoreUnavailable)
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "damage", ["system_identifier = system_identifier + 1", "timeline = timeline + 1"]
)
def test_a_position_of_another_history_stops_and_names_the_cure(
    migrated_database_url: str, damage: str
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        store.open()
    execute(migrated_database_url, f"UPDATE outbox_position SET {damage}")
    text = refusal(migrated_database_url, TimelineChanged)
    assert "outbox-publisher position rebase --since" in text


MARGIN = timedelta(hours=1)


def test_with_a_margin_another_history_is_adopted_and_the_margin_published_again(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    write(url, b"old")
    execute(url, "UPDATE outbox_event SET created_at = created_at - interval '70 min'")
    recent = write(url, b"a", b"b")
    with closing(PostgresStore(url, margin=MARGIN)) as store:
        read = Window(store, store.open().position, limits=Limits()).read()
        store.save(read.end)
        assert read.end.now is None
        store.close()
        execute(url, "UPDATE outbox_position SET timeline = timeline + 1, system_identifier = 1")
        with capture_logs() as logs:
            tenure = store.open()
        again = Window(store, tenure.position, limits=Limits()).read()
        assert tenure.inherited
        assert [row.id for row in again.rows] == recent
        store.save(again.end)
        store.close()
        assert not store.open().inherited
    (line,) = logs
    assert (line["log_level"], line["event"], line["rows"]) == ("warning", "publishing again", 2)
    assert "belongs to system 1, timeline" in line["reason"]


def test_the_margin_is_counted_back_from_when_the_position_was_last_stored(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    ids = write(url, b"a")
    execute(url, "UPDATE outbox_event SET created_at = created_at - interval '30 h'")
    ids += write(url, b"b")
    with closing(PostgresStore(url, margin=MARGIN)) as store:
        store.save(Position(store.small_window(store.open().position.prev, Limits()).now))
        store.close()
        execute(url, "UPDATE outbox_position SET updated_at = updated_at - interval '30 h'")
        execute(url, "UPDATE outbox_position SET timeline = timeline + 1")
        again = Window(store, store.open().position, limits=Limits()).read()
    assert [row.id for row in again.rows] == ids


def test_on_another_history_nothing_that_waits_is_skipped_however_old_it_is(
    migrated_database_url: str,
) -> None:
    url = migrated_database_url
    late = Writer(url)
    straggler = late.record()
    ids = write(url, b"a", b"b", b"c")
    with closing(PostgresStore(url, margin=MARGIN)) as store:
        page = Window(store, store.open().position, limits=Limits(rows=2)).read()
        store.save(page.after(2))
        late.commit()
        execute(url, "UPDATE outbox_event SET created_at = created_at - interval '5 h'")
        store.close()
        execute(url, "UPDATE outbox_position SET timeline = timeline + 1")
        window = Window(store, store.open().position, limits=Limits())
        again = [row.id for _ in range(2) for row in window.read().rows]
    assert again == [ids[2], straggler]


def test_restored_rows_that_cannot_be_disarmed_are_waited_for_until_the_right_is_granted(
    migrated_database_url: str, role: str, role_url: str
) -> None:
    url = migrated_database_url
    for table, rights in RIGHTS.items():
        execute(url, f"GRANT {rights} ON {table} TO {role}")
    with closing(PostgresStore(role_url, margin=MARGIN)) as store:
        store.open()
        store.close()
        ids = write(url, b"a")
        execute(url, "UPDATE outbox_position SET timeline = timeline + 1")
        store.open()  # nothing is to be disarmed
        store.close()
        execute(
            url,
            "UPDATE outbox_event SET xid = (pg_current_xact_id()::text::bigint + 40)::text::xid8",
        )
        execute(url, "UPDATE outbox_position SET timeline = timeline + 1")
        grant = f"GRANT UPDATE (xid) ON outbox_event TO {role}"
        with pytest.raises(StoreUnavailable) as caught:
            store.open()
        assert grant in str(caught.value)
        execute(url, grant)
        window = Window(store, store.open().position, limits=Limits())
        assert [row.id for row in window.read().rows] == ids
        for _ in range(60):
            execute(url, "SELECT pg_current_xact_id()")
        assert not window.read().rows


def test_a_second_publisher_of_the_same_name_stands_by(migrated_database_url: str) -> None:
    with closing(PostgresStore(migrated_database_url)) as active:
        active.open()
        assert "stands by" in refusal(migrated_database_url, StandsBy)
        with closing(PostgresStore(migrated_database_url, name="other")) as other:
            other.open()


def test_a_standby_is_refused_and_its_promotion_is_another_history(
    private_postgres: Postgres,
) -> None:
    url = private_postgres.create_database("shop")
    migrate(url)
    with closing(PostgresStore(url)) as store:
        store.open()
    private_postgres.become_standby()
    assert "standby" in refusal(url, StoreUnavailable)
    execute(url, "SELECT pg_promote()")
    assert "timeline 2" in refusal(url, TimelineChanged)


def test_the_documented_rights_are_enough_to_publish(
    migrated_database_url: str, role: str, role_url: str
) -> None:
    for table, rights in RIGHTS.items():
        execute(migrated_database_url, f"GRANT {rights} ON {table} TO {role}")
    with closing(PostgresStore(role_url)) as store:
        position = store.open().position
        store.small_window(position.prev, Limits())
        store.backlog(position)
        store.save(position)


def test_a_right_that_is_missing_is_named_with_its_grant(
    migrated_database_url: str, role: str, role_url: str
) -> None:
    text = refusal(role_url, StoreUnavailable)
    assert "permission denied for table outbox_metadata" in text
    assert f"GRANT SELECT ON outbox_metadata TO {role}" in text
    execute(migrated_database_url, f"GRANT SELECT ON outbox_metadata TO {role}")
    assert f"GRANT SELECT, INSERT, UPDATE ON outbox_position TO {role}" in refusal(
        role_url, StoreUnavailable
    )


def test_a_login_that_is_not_allowed_is_refused_at_once(
    migrated_database_url: str, role: str, role_url: str
) -> None:
    database = urlsplit(migrated_database_url).path[1:]
    execute(migrated_database_url, f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
    assert "permission denied for database" in refusal(role_url, CredentialsRejected)
    execute(migrated_database_url, f"ALTER ROLE {role} NOLOGIN")
    assert "is not permitted to log in" in refusal(role_url, CredentialsRejected)


def test_a_column_of_another_release_is_named_with_the_cure(migrated_database_url: str) -> None:
    execute(migrated_database_url, "ALTER TABLE outbox_position RENAME last_id TO last_row")
    text = refusal(migrated_database_url, StoreUnavailable)
    assert 'column "last_id" does not exist' in text
    assert "install the release" in text


def test_a_setting_that_libpq_refuses_is_wrong_configuration(migrated_database_url: str) -> None:
    text = refusal(f"{migrated_database_url}?sslmode=strict", ConfigurationInvalid)
    assert text.startswith("PUBLISHER_DATABASE_URL: ")
    assert "strict" in text


def test_a_position_that_was_removed_is_told_from_one_that_was_moved(
    migrated_database_url: str,
) -> None:
    with closing(PostgresStore(migrated_database_url)) as store:
        position = store.open().position
        execute(migrated_database_url, "UPDATE outbox_position SET epoch = epoch + 1")
        with pytest.raises(Fenced, match="the position 'default' was moved by hand"):
            store.save(position)
        execute(migrated_database_url, "DELETE FROM outbox_position")
        with pytest.raises(Fenced, match="the position 'default' was removed"):
            store.save(position)


def test_a_name_that_starts_at_the_beginning_beside_others_is_a_warning(
    migrated_database_url: str,
) -> None:
    write(migrated_database_url, b"a", b"b")
    with capture_logs() as logs:
        for name in ("default", "default", "other"):
            with closing(PostgresStore(migrated_database_url, name=name)) as store:
                store.open()
    assert [(line["log_level"], line["name"], line["rows"], line["existing"]) for line in logs] == [
        ("info", "default", 2, []),
        ("warning", "other", 2, ["default"]),
    ]


def test_a_statement_that_somebody_cancels_is_told_from_one_that_takes_too_long(
    migrated_database_url: str,
) -> None:
    with closing(connect(migrated_database_url, name="test")) as connection:
        with (
            pytest.raises(StoreUnavailable, match="due to user request") as caught,
            answering(connection),
        ):
            connection.execute("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(1)")
        assert not isinstance(caught.value, TimedOut)
