"""Views that write."""

from collections.abc import AsyncIterator, Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from tests.app.models import Order


def create(request: HttpRequest, number: str) -> HttpResponse:
    Order.objects.create(number=number)
    return HttpResponse()


def create_and_fail(request: HttpRequest, number: str) -> HttpResponse:
    Order.objects.create(number=number)
    raise LookupError(number)


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


async def create_asynchronously(request: HttpRequest, number: str) -> HttpResponse:
    await Order.objects.acreate(number=number)
    return HttpResponse()


def create_in_the_stream(request: HttpRequest) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        for number in "12":
            Order.objects.create(number=number)
            yield number

    return StreamingHttpResponse(lines())


async def create_in_the_asynchronous_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[str]:
        for number in "12":
            await Order.objects.acreate(number=number)
            yield number

    return StreamingHttpResponse(lines())


urlpatterns = [
    path("nothing/", nothing),
    path("create/<number>/", create),
    path("create-and-fail/<number>/", create_and_fail),
    path("create-in-the-stream/", create_in_the_stream),
    path("create-in-the-asynchronous-stream/", create_in_the_asynchronous_stream),
    path("create-asynchronously/<number>/", create_asynchronously),
]
