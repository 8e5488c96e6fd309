"""Django settings of the outbox and of the tables that the benchmarks write."""

import os

from local.postgres import django_settings

SECRET_KEY = "a secret that protects nothing"
USE_TZ = True
INSTALLED_APPS = ["outbox", "benchmarks"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
OUTBOX_SOURCE = "urn:benchmark"
DATABASES = {"default": django_settings(os.environ["DATABASE_URL"])}
