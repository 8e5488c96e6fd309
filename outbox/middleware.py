"""Events say who asked for what they report, and in which request."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from outbox.context import context
from outbox.uuid7 import uuid7

_IDENTIFIER = re.compile(r"[\x21-\x7e]{1,128}")

Response = HttpResponseBase | Awaitable[HttpResponseBase]
Attributes = Mapping[str, object]
R = TypeVar("R", bound=Response)


class ContextMiddleware:
    """Sets `actor` (the primary key of the user who is logged in), `requestid` and `correlationid`.

    The request id comes from the header `X-Request-ID`, the correlation id from
    `X-Correlation-ID`; a missing or strange one is made anew, for the correlation the request's.
    A request that says why it is made (`X-Causation-ID`, the id of an event, say) sets
    `causationid` too.
    Stands behind the authentication middleware. The user is looked at when an event is recorded.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Response]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Response:
        if self.is_async:
            return self._asynchronously(request)
        attributes = _attributes_of(request)
        with context(**attributes):
            response = self.get_response(request)
        return _streaming(response, attributes)

    async def _asynchronously(self, request: HttpRequest) -> HttpResponseBase:
        attributes = _attributes_of(request)
        with context(**attributes):
            response = self.get_response(request)
            if isinstance(response, Awaitable):
                response = await response
        return _streaming(response, attributes)


def _attributes_of(request: HttpRequest) -> Attributes:
    request_id = _identifier(request, "X-Request-ID") or str(uuid7())
    correlation_id = _identifier(request, "X-Correlation-ID") or request_id
    return {
        "actor": partial(_actor, request),
        "request_id": request_id,
        "correlation_id": correlation_id,
        "causation_id": _identifier(request, "X-Causation-ID"),
    }


def _identifier(request: HttpRequest, header: str) -> str | None:
    value = request.headers.get(header, "")
    return value if _IDENTIFIER.fullmatch(value) else None


def _actor(request: HttpRequest) -> object:
    user = getattr(request, "user", None)
    return user.pk if user is not None and user.is_authenticated else None


def _streaming(response: R, attributes: Attributes) -> R:
    """The same, and a body that is made while it is sent records for the same request."""
    if isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
        within = _achunks if response.is_async else _chunks
        response.streaming_content = within(response.streaming_content, attributes)
    return response


def _chunks(chunks: Any, attributes: Attributes) -> Iterator[bytes]:
    iterator = iter(chunks)
    while True:
        with context(**attributes):  # not around the yield: the server goes on with other things
            chunk = next(iterator, None)
        if chunk is None:
            return
        yield chunk


async def _achunks(chunks: Any, attributes: Attributes) -> AsyncIterator[bytes]:
    iterator = aiter(chunks)
    while True:
        with context(**attributes):
            chunk = await anext(iterator, None)
        if chunk is None:
            return
        yield chunk
