"""The suite's own fixtures."""

import psycopg
import pytest
from django.contrib.auth.models import User

from local.kafka import Broker
from local.postgres import Postgres
from tests.conftest import MakeTopic


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows}


def test_a_database_of_its_own_is_empty(database_url: str) -> None:
    assert tables(database_url) == set()


def test_two_migrated_databases_are_apart_and_have_the_tables(migrated_database_url: str) -> None:
    assert "django_content_type" in tables(migrated_database_url)


@pytest.mark.django_db
def test_django_uses_the_shared_server(postgres_server: Postgres) -> None:
    from django.db import connection

    User.objects.create_user("ada")
    assert str(connection.settings_dict["PORT"]) in postgres_server.url


def test_a_topic_is_there_when_its_name_is_returned(
    make_topic: MakeTopic, kafka_broker: Broker
) -> None:
    first, second = make_topic("orders", partitions=3), make_topic("orders")
    assert first != second
