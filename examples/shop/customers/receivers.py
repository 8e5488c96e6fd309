"""What Django's auth signals become."""

from collections.abc import Mapping

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_login_failed

import outbox
from examples.shop.customers.events import LoginFailed, UserLoggedIn

UNKNOWN = "unknown"


@outbox.receiver(user_logged_in)
def logged_in(user: AbstractBaseUser, **kwargs: object) -> UserLoggedIn:
    return UserLoggedIn(username=user.get_username())


@outbox.receiver(user_login_failed)
def login_failed(credentials: Mapping[str, object], **kwargs: object) -> LoginFailed:
    typed = str(credentials.get("username", ""))
    known = get_user_model()._default_manager.filter(username=typed).exists()
    return LoginFailed(username=typed if known else UNKNOWN)
