"""Django settings of a project with django-reliable-outbox, run in an environment of its own."""

import os
from urllib.parse import urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])

SECRET_KEY = "a secret that protects nothing"
USE_TZ = True
INSTALLED_APPS = ["reliable_outbox"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path.lstrip("/"),
        "USER": _url.username,
        "PASSWORD": _url.password,
        "HOST": _url.hostname,
        "PORT": _url.port,
    }
}
RELIABLE_OUTBOX = {
    "DESTINATIONS": {
        "default": {
            "BACKEND": "reliable_outbox.destinations.kafka.KafkaDestination",
            "OPTIONS": {
                "topic": "{name}",
                # It waits for each record alone, so that none to share a batch with can come.
                "config": {
                    "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
                    "partitioner": "murmur2_random",
                    "linger.ms": 0,
                },
            },
        },
    },
}
