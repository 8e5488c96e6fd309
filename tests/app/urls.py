"""Views that write."""

from django.http import HttpRequest, HttpResponse
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


urlpatterns = [
    path("nothing/", nothing),
    path("create/<number>/", create),
    path("create-and-fail/<number>/", create_and_fail),
    path("create-asynchronously/<number>/", create_asynchronously),
]
