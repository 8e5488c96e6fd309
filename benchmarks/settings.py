"""Django settings that migrate the outbox and nothing else."""

import os

from local.postgres import django_settings

SECRET_KEY = "a secret that protects nothing"
USE_TZ = True
INSTALLED_APPS = ["outbox"]
OUTBOX_SOURCE = "urn:benchmark"
DATABASES = {"default": django_settings(os.environ["DATABASE_URL"])}
