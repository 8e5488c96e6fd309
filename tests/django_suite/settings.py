"""Django settings under which Django's own tests run; their runner adds the rest."""

import os
from importlib import import_module

from local.postgres import django_settings

_THEIRS = import_module("test_sqlite")  # what Django's script takes unless told otherwise

SECRET_KEY = "a secret that protects nothing"
USE_TZ = _THEIRS.USE_TZ
DEFAULT_AUTO_FIELD = getattr(_THEIRS, "DEFAULT_AUTO_FIELD", "django.db.models.BigAutoField")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
OUTBOX_SOURCE = "urn:test:django"
TEST_RUNNER = "tests.django_suite.runner.Runner"

DATABASES = {
    "default": {
        **django_settings(os.environ["DATABASE_URL"]),
        "TEST": {"NAME": f"test_django_suite_{os.getpid()}"},
    }
}
