"""Whole requests: with and without ATOMIC_REQUESTS, synchronous and asynchronous."""

from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient, Client

from tests.app.models import Order
from tests.stored import stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def atomic_requests() -> Iterator[None]:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


def numbers() -> list[str]:
    return [row.json["after"]["number"] for row in stored()]


def test_a_request_records_what_it_saves() -> None:
    Client().get("/create/1/")
    assert numbers() == ["1"]


@pytest.mark.usefixtures("atomic_requests")
def test_an_atomic_request_records_what_it_commits_and_nothing_else() -> None:
    client = Client(raise_request_exception=False)
    assert client.get("/create/1/").status_code == 200
    assert client.get("/create-and-fail/2/").status_code == 500
    assert client.get("/create/3/").status_code == 200
    assert numbers() == ["1", "3"]
    assert Order.objects.count() == 2


def test_a_request_without_a_transaction_keeps_row_and_event_of_what_it_saved_before_failing() -> (
    None
):
    client = Client(raise_request_exception=False)
    assert client.get("/create-and-fail/2/").status_code == 500
    assert numbers() == ["2"]
    assert Order.objects.count() == 1


def test_an_asynchronous_view_records_what_it_saves() -> None:
    response = async_to_sync(AsyncClient().get)("/create-asynchronously/1/")
    assert response.status_code == 200
    assert numbers() == ["1"]
