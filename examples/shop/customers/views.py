from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from pydantic import BaseModel, Field

import outbox
from examples.shop.customers.events import PasswordChanged
from examples.shop.customers.models import Customer
from examples.shop.requests import body, json_view


class Registration(BaseModel):
    name: str = Field(min_length=1, max_length=100)
    country: str = Field(pattern="^[A-Za-z]{2}$")


class Credentials(BaseModel):
    username: str
    password: str


class NewPassword(BaseModel):
    old: str
    new: str


@json_view("POST")
def register(request: HttpRequest) -> JsonResponse:
    customer = Customer.objects.create(**body(request, Registration).model_dump())
    return JsonResponse({"id": customer.pk}, status=201)


@json_view("PUT", "DELETE")
def one(request: HttpRequest, customer_id: int) -> HttpResponseBase:
    customer = get_object_or_404(Customer.objects.select_for_update(), pk=customer_id)
    if request.method == "DELETE":
        customer.delete()
        return HttpResponse(status=204)
    for name, value in body(request, Registration):
        setattr(customer, name, value)
    customer.save()
    return JsonResponse({"id": customer.pk})


@json_view("POST")
def log_in(request: HttpRequest) -> JsonResponse:
    given = body(request, Credentials)
    user = authenticate(request, username=given.username, password=given.password)
    if user is None:
        return JsonResponse({"error": "wrong user name or password"}, status=401)
    login(request, user)
    return JsonResponse({"username": user.get_username()})


@json_view("POST")
def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse(status=204)


@json_view("POST")
def change_password(request: HttpRequest) -> JsonResponse:
    user = request.user
    if not isinstance(user, User):
        return JsonResponse({"error": "log in first"}, status=401)
    given = body(request, NewPassword)
    fields = {"old_password": given.old, "new_password1": given.new, "new_password2": given.new}
    form = PasswordChangeForm(user, fields)
    if not form.is_valid():
        return JsonResponse({"error": form.errors}, status=400)
    form.save()
    update_session_auth_hash(request, user)
    outbox.record(PasswordChanged(username=user.get_username()))
    return JsonResponse({"username": user.get_username()})
