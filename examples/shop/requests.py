"""JSON requests: a body that does not fit is answered with 400 and the reason."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from pydantic import BaseModel, ValidationError

Body = TypeVar("Body", bound=BaseModel)
View = Callable[..., HttpResponseBase]


def body(request: HttpRequest, model: type[Body]) -> Body:
    """The body as `model`; ValidationError where it does not fit."""
    return model.model_validate_json(request.body)


def json_view(*methods: str) -> Callable[[View], View]:
    """A view for programs: these methods only, no form tokens."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in methods:
                return JsonResponse({"error": f"use {' or '.join(methods)}"}, status=405)
            try:
                return view(request, *args, **kwargs)
            except ValidationError as exc:
                problems = exc.errors(include_url=False, include_context=False, include_input=False)
                return JsonResponse({"error": problems}, status=400)

        return answer

    return decorate
