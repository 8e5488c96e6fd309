"""Databases that the publisher must refuse, and what it says."""

from contextlib import closing
from urllib.parse import urlsplit

import pytest

from local.postgres import Postgres
from publisher.adapters.postgres import PostgresStore
from publisher.errors import CredentialsRejected, StoreUnavailable, TimelineChanged
from publisher.ports import Limits
from tests.conftest import migrate
from tests.writers import execute


def refusal(url: str, error: type[Exception]) -> str:
    with closing(PostgresStore(url)) as store, pytest.raises(error) as caught:
        store.open()
    return str(caught.value)


def test_a_database_without_the_tables_is_waited_for(database_url: str) -> None:
    assert "manage.py migrate outbox" in refusal(database_url, StoreUnavailable)


@pytest.mark.parametrize("version", [0, 2])
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


def test_a_second_publisher_of_the_same_name_stands_by(migrated_database_url: str) -> None:
    with closing(PostgresStore(migrated_database_url)) as active:
        active.open()
        assert "stands by" in refusal(migrated_database_url, StoreUnavailable)
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
    migrated_database_url: str,
) -> None:
    role = "publisher_" + urlsplit(migrated_database_url).path.strip("/")
    execute(migrated_database_url, f"CREATE ROLE {role} LOGIN PASSWORD 'relay'")
    try:
        execute(
            migrated_database_url,
            f"GRANT SELECT ON outbox_event, outbox_topic, outbox_metadata TO {role};"
            f"GRANT SELECT, INSERT, UPDATE ON outbox_position TO {role}",
        )
        parts = urlsplit(migrated_database_url)
        url = parts._replace(netloc=f"{role}:relay@{parts.hostname}:{parts.port}").geturl()
        with closing(PostgresStore(url)) as store:
            position = store.open().position
            store.small_window(position.prev, Limits())
            store.backlog(position)
            store.save(position)
    finally:
        execute(migrated_database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")
