"""The suite's own fixtures."""

from contextlib import closing

import psycopg
import pytest
from django.contrib.auth.models import User
from kafka import KafkaAdminClient

from local.kafka import Broker
from local.postgres import Postgres
from tests.conftest import MakeTopic


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows}


def test_a_database_of_its_own_is_empty(database_url: str) -> None:
    assert tables(database_url) == set()


@pytest.mark.parametrize("time", ["first", "second"])
def test_a_migrated_database_has_the_tables_and_nothing_of_another_test(
    time: str, migrated_database_url: str
) -> None:
    found = tables(migrated_database_url)
    assert "django_content_type" in found
    assert "left_behind" not in found
    with psycopg.connect(migrated_database_url) as connection:
        connection.execute("CREATE TABLE left_behind ()")


def test_two_databases_of_one_test_are_apart(database_url: str, migrated_database_url: str) -> None:
    assert tables(migrated_database_url)
    assert tables(database_url) == set()


@pytest.mark.django_db
def test_django_uses_the_shared_server(postgres_server: Postgres) -> None:
    from django.db import connection

    User.objects.create_user("ada")
    assert str(connection.settings_dict["PORT"]) in postgres_server.url


def test_a_topic_is_there_when_its_name_is_returned(
    make_topic: MakeTopic, kafka_broker: Broker
) -> None:
    first, second = make_topic("orders", partitions=3), make_topic("orders")
    with closing(KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap_servers)) as admin:
        found = {each["name"]: each["partitions"] for each in admin.describe_topics()}
    assert (len(found[first]), len(found[second])) == (3, 1)
