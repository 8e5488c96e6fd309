from django.contrib.auth import authenticate, login
from django.http import HttpRequest, JsonResponse
from pydantic import BaseModel, Field

from examples.shop.customers.models import Customer
from examples.shop.requests import body, json_view


class Registration(BaseModel):
    name: str = Field(min_length=1, max_length=100)
    country: str = Field(pattern="^[A-Z]{2}$")


class Credentials(BaseModel):
    username: str
    password: str


@json_view("POST")
def register(request: HttpRequest) -> JsonResponse:
    customer = Customer.objects.create(**body(request, Registration).model_dump())
    return JsonResponse({"id": customer.pk}, status=201)


@json_view("POST")
def log_in(request: HttpRequest) -> JsonResponse:
    given = body(request, Credentials)
    user = authenticate(request, username=given.username, password=given.password)
    if user is None:
        return JsonResponse({"error": "wrong user name or password"}, status=401)
    login(request, user)
    return JsonResponse({"username": user.get_username()})
