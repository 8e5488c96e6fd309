"""Events say who asked for what they report, and in which request."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from outbox.context import context
from outbox.uuid7 import uuid7

_IDENTIFIER = re.compile(r"[\x21-\x7e]{1,128}")

Response = HttpResponseBase | Awaitable[HttpResponseBase]


class ContextMiddleware:
    """Sets `actor` (the primary key of the user who is logged in), `requestid` and `correlationid`.

    The request id comes from the header `X-Request-ID`, the correlation id from
    `X-Correlation-ID`; a missing or strange one is made anew, for the correlation the request's.
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
        with _context_of(request):
            return self.get_response(request)

    async def _asynchronously(self, request: HttpRequest) -> HttpResponseBase:
        with _context_of(request):
            response = self.get_response(request)
            return await response if isinstance(response, Awaitable) else response


def _context_of(request: HttpRequest) -> AbstractContextManager[None]:
    request_id = _identifier(request, "X-Request-ID") or str(uuid7())
    correlation_id = _identifier(request, "X-Correlation-ID") or request_id
    return context(
        actor=partial(_actor, request), request_id=request_id, correlation_id=correlation_id
    )


def _identifier(request: HttpRequest, header: str) -> str | None:
    value = request.headers.get(header, "")
    return value if _IDENTIFIER.fullmatch(value) else None


def _actor(request: HttpRequest) -> object:
    user = getattr(request, "user", None)
    return user.pk if user is not None and user.is_authenticated else None
