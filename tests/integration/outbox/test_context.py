"""What events say of the circumstances in which they were recorded."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import FileResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import CaptureQueriesContext, override_settings
from opentelemetry import trace

import outbox
from outbox import tracing
from outbox.errors import InvalidContext
from outbox.middleware import ContextMiddleware
from outbox.pending import LARGEST
from outbox.testing import captured_events
from tests.app.events import Said
from tests.app.models import Order, Talk

pytestmark = pytest.mark.django_db(transaction=True)

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "outbox.middleware.ContextMiddleware",
]


@pytest.fixture
def events() -> Iterator[list[Any]]:
    with captured_events() as found:
        yield found


def say(what: str = "x") -> None:
    with transaction.atomic():
        outbox.record(Said(who="me", what=what))


def test_attributes_travel_under_the_names_of_cloudevents(events: list[Any]) -> None:
    with outbox.context(correlation_id="c-1", actor=7, cause=UUID(int=1)):
        say()
        Order.objects.create(number="1").delete()
    say()
    first, *changes, last = events
    assert first.extensions == {
        "correlationid": "c-1",
        "actor": "7",
        "cause": "00000000-0000-0000-0000-000000000001",
    }
    assert [each.extensions for each in changes] == [first.extensions] * 3
    assert last.extensions == {}
    assert last.headers is None


def test_what_is_stored_is_what_a_consumer_reads(events: list[Any]) -> None:
    with outbox.context(actor="Zoë"):
        say()
    with connection.cursor() as cursor:
        cursor.execute("SELECT convert_from(headers, 'UTF8') FROM outbox_event")
        assert cursor.fetchall() == [('{"actor": "Zoë"}',)]


def test_contexts_nest_and_none_leaves_an_attribute_out(events: list[Any]) -> None:
    with outbox.context(actor="a", request_id="r"):
        with outbox.context(actor="b"):
            say()
        with outbox.context(actor=None):
            say()
        say()
    assert [each.extensions for each in events] == [
        {"actor": "b", "requestid": "r"},
        {"requestid": "r"},
        {"actor": "a", "requestid": "r"},
    ]


def test_a_function_is_asked_when_an_event_is_recorded(events: list[Any]) -> None:
    names = iter("ab")
    with outbox.context(actor=lambda: next(names)):
        say()
        say()
    assert [each.extensions["actor"] for each in events] == ["a", "b"]


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ({"größe": "1"}, "größe=.* is not a name of CloudEvents"),
        ({"subject": "1"}, "'subject' is an attribute of every event"),
        (
            {"request_id": 1, "requestid": 1},
            r"^context\(request_id=..., requestid=...\): both become .* 'requestid'; keep one",
        ),
        ({"actor": ["a"]}, "'actor' cannot be .'a'.; use one text"),
        ({"actor": "a\r\nb"}, "'actor' is .* no identifier"),
        ({"actor": "a" * 1_001}, "'actor' is .* no identifier"),
    ],
)
def test_what_cannot_be_a_header_is_refused(attributes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidContext, match=fault), outbox.context(**attributes):
        pass


def test_a_function_is_asked_as_often_whether_events_wait_or_are_made_at_once() -> None:
    def asked(*titles: str) -> int:
        numbers = count()
        with outbox.context(number=lambda: next(numbers)):
            Talk.objects.bulk_create([Talk(title=title) for title in titles])
        return next(numbers)

    large = "b" * LARGEST
    assert asked("a", "b", "c") == asked("a", large, "c") == asked(large, large, large)


def test_a_function_that_gives_no_identifier_undoes_the_row() -> None:
    with pytest.raises(InvalidContext), outbox.context(actor=lambda: object()):
        Order.objects.create(number="1")
    assert Order.objects.count() == 0


def span(state: str = "") -> AbstractContextManager[object]:
    context = trace.SpanContext(
        trace_id=1,
        span_id=2,
        is_remote=False,
        trace_flags=trace.TraceFlags.get_default(),
        trace_state=trace.TraceState.from_header([state]),
    )
    return trace.use_span(trace.NonRecordingSpan(context))


OF_THE_SPAN = "00-00000000000000000000000000000001-0000000000000002-00"
BY_HAND = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "by=hand"}


def test_the_trace_that_is_under_way_travels_along(events: list[Any]) -> None:
    with span("a=1"):
        say()
    say()
    assert [each.extensions for each in events] == [
        {"traceparent": OF_THE_SPAN, "tracestate": "a=1"},
        {},
    ]


def test_a_trace_that_is_given_by_hand_travels_where_no_span_is_under_way(
    events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with outbox.context(**BY_HAND):
        say()
        monkeypatch.setattr(tracing, "_propagator", None)  # as without OpenTelemetry
        say()
    assert [each.extensions for each in events] == [BY_HAND, BY_HAND]


@pytest.mark.parametrize("state", ["a=1", ""])
def test_a_span_that_is_under_way_brings_its_own_trace_and_nothing_of_another(
    events: list[Any], state: str
) -> None:
    with outbox.context(**BY_HAND, actor="a"), span(state):
        say()
    with span(state), outbox.context(**BY_HAND, actor="a"):
        say()
    own = {"traceparent": OF_THE_SPAN, "actor": "a"} | ({"tracestate": state} if state else {})
    assert [each.extensions for each in events] == [own, own]


class TestMiddleware:
    @pytest.fixture(autouse=True)
    def _installed(self) -> Iterator[None]:
        with override_settings(MIDDLEWARE=MIDDLEWARE):
            yield

    def test_a_request_names_itself_and_its_correlation(self, events: list[Any]) -> None:
        Client().get("/create/1/", headers={"X-Request-ID": "r-1"})
        Client().get("/create/2/", headers={"X-Request-ID": "r-2", "X-Correlation-ID": "c-2"})
        assert [each.extensions for each in events] == [
            {"requestid": "r-1", "correlationid": "r-1"},
            {"requestid": "r-2", "correlationid": "c-2"},
        ]

    @pytest.mark.parametrize(
        ("header", "causation"), [("e-1", {"causationid": "e-1"}), ("a b", {})]
    )
    def test_a_request_that_says_its_cause_passes_it_on(
        self, events: list[Any], header: str, causation: dict[str, str]
    ) -> None:
        Client().get("/create/1/", headers={"X-Request-ID": "r-1", "X-Causation-ID": header})
        (event,) = events
        assert event.extensions == {"requestid": "r-1", "correlationid": "r-1", **causation}

    def test_a_missing_or_strange_identifier_is_made_anew(self, events: list[Any]) -> None:
        Client().get("/create/1/")
        Client().get("/create/2/", headers={"X-Request-ID": "a b"})
        assert [str(UUID(each.extensions["requestid"])) for each in events] == [
            each.extensions["correlationid"] for each in events
        ]

    def test_the_user_who_is_logged_in_is_the_actor(self, events: list[Any]) -> None:
        user = User.objects.create_user("ada", password="s3cr3t")
        client = Client()
        client.force_login(user)
        client.get("/create/1/")
        assert events[-1].extensions["actor"] == str(user.pk)

    def test_a_request_that_records_nothing_costs_no_query(self) -> None:
        user = User.objects.create_user("ada", password="s3cr3t")
        client = Client()
        client.force_login(user)
        with CaptureQueriesContext(connection) as queries:
            client.get("/nothing/")
        assert len(queries) == 0

    def test_an_asynchronous_request_has_its_own(self, events: list[Any]) -> None:
        get = async_to_sync(AsyncClient().get)
        get("/create-asynchronously/1/", headers={"X-Request-ID": "r-1"})
        assert [each.extensions["requestid"] for each in events] == ["r-1"]

    def test_what_a_body_records_while_it_is_sent_is_of_its_request(
        self, events: list[Any]
    ) -> None:
        response: Any = Client().get("/create-in-the-stream/", headers={"X-Request-ID": "r-1"})
        body = iter(response.streaming_content)
        first = next(body)
        say()
        assert first + b"".join(body) == b"12"
        assert [each.extensions.get("requestid") for each in events] == ["r-1", None, "r-1"]

    def test_a_body_that_is_sent_asynchronously_is_too(self, events: list[Any]) -> None:
        async def get() -> None:
            response: Any = await AsyncClient().get(
                "/create-in-the-asynchronous-stream/", headers={"X-Request-ID": "r-1"}
            )
            body = aiter(response.streaming_content)
            first = await anext(body)
            await sync_to_async(say)()
            assert first + b"".join([chunk async for chunk in body]) == b"12"

        async_to_sync(get)()
        assert [each.extensions.get("requestid") for each in events] == ["r-1", None, "r-1"]

    def test_a_file_is_left_to_the_server(self) -> None:
        response = FileResponse(BytesIO(b"x"))
        sent: Any = ContextMiddleware(lambda request: response)(RequestFactory().get("/"))
        assert sent is response
        assert sent.file_to_stream is not None
