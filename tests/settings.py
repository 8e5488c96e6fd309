"""Django settings of the suite.

The fixtures put in the address of the server that they started; a process of its own, started
by a test, gets it as DATABASE_URL.
"""

import os

from local.postgres import django_settings

SECRET_KEY = "a secret that protects nothing"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.app.urls"
OUTBOX_SOURCE = "urn:test:suite"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.postgres",
    "pgtrigger",
    "outbox",
    "tests.app",
]

UNREACHABLE = "postgresql://nobody@127.0.0.1:1/outbox"
DATABASES = {
    alias: django_settings(os.environ.get("DATABASE_URL", UNREACHABLE))
    for alias in ("default", "other")
}
