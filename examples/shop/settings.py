"""Django settings of the shop; DATABASE_URL names its PostgreSQL database."""

import os

from psycopg.conninfo import conninfo_to_dict


def database(url: str) -> dict[str, object]:
    """An entry of DATABASES; psycopg.ProgrammingError for what is no PostgreSQL URL."""
    parts = conninfo_to_dict(url)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{setting: parts.pop(name, "") for setting, name in names.items()},
        "PORT": parts.pop("port", ""),
        "OPTIONS": parts,
        "ATOMIC_REQUESTS": True,
    }


DATABASES = {"default": database(os.environ.get("DATABASE_URL", "postgresql:///shop"))}
SECRET_KEY = os.environ.get("SECRET_KEY", "an example protects nothing")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")
ROOT_URLCONF = "examples.shop.urls"
WSGI_APPLICATION = "examples.shop.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

OUTBOX_SOURCE = "/shop"
OUTBOX_TOPIC_PARTITIONS = 3

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "outbox",
    "examples.shop.reference",
    "examples.shop.customers",
    "examples.shop.orders",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "outbox.middleware.ContextMiddleware",
]
